#!/usr/bin/env bash
# Submits training, sweeps and evaluations to SLURM with the facts of scripts/slurm/site.env, and prints what it submits.
# usage (in a package: bin/liere-submit): scripts/slurm/submit.sh [OPTION...] train --config NAME [key=value ...]
#        scripts/slurm/submit.sh [OPTION...] sweep LIST [key=value ...]              a line of LIST: the arguments of one run
#        scripts/slurm/submit.sh [OPTION...] evaluate RUN --test NAMES [key=value ...]
#   --dry-run             prints the sbatch lines and submits nothing
#   --nodes N --gpus N    nodes, and GPUs (processes) on each        --time LIMIT   of a job; a longer run is several jobs of the same number
#   --name NAME           of the job and its log                     --after JOB    begins when that job has ended with 0
#   --test NAMES          of train and sweep: evaluates each run when it has ended, with these tests of liere-eval
#   --sbatch OPTION       one more option of sbatch; may be repeated
# Logs: logs/NAME-JOB.log, one for all starts of a job. The last line printed is the number of the last job.
set -euo pipefail
die() { printf 'error: %s\n' "$*" >&2; exit 2; }
home=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
job_folder=$home
if [ -x "$home/../../libexec/run" ]; then job_folder=$PWD; fi # a package: nothing is written into it
dry_run='' nodes='' gpus='' limit='' name='' after='' tests='' more=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,11s/^# //p' "$0"; exit 0 ;;
    --dry-run) dry_run=1 ;;
    --nodes | --gpus | --time | --name | --after | --test | --sbatch)
      [ $# -gt 1 ] || die "$1 needs a value (see scripts/slurm/submit.sh --help)."
      case $1 in
        --nodes) nodes=$2 ;;
        --gpus) gpus=$2 ;;
        --time) limit=$2 ;;
        --name) name=$2 ;;
        --after) after=$2 ;;
        --test) tests=$2 ;;
        --sbatch) more+=("$2") ;;
      esac
      shift
      ;;
    -*) die "submit.sh has no option $1: expected one of those of scripts/slurm/submit.sh --help before train, sweep or evaluate." ;;
    *) break ;;
  esac
  shift
done
kind=${1:-}
case $kind in
  train | sweep | evaluate) shift ;;
  '') die "expected train, sweep or evaluate (see scripts/slurm/submit.sh --help)." ;;
  *) die "expected train, sweep or evaluate, found '$kind' (see scripts/slurm/submit.sh --help)." ;;
esac
site=$(realpath -m "${LIERE_SITE:-$home/scripts/slurm/site.env}")
[ -f "$site" ] || die "$site was not found: correct LIERE_SITE, or unset it to use scripts/slurm/site.env."
# shellcheck source-path=SCRIPTDIR source=site.env
source "$site"
# shellcheck source-path=SCRIPTDIR source=site.env
[ "$site" -ef "$home/scripts/slurm/site.env" ] || source "$home/scripts/slurm/site.env" # what another file leaves out
[ -v LIERE_NODES ] || die "$home/scripts/slurm/site.env has no line LIERE_NODES: it holds what every other site's file leaves out. Put it back, and name yours with LIERE_SITE."
nodes=${nodes:-$LIERE_NODES} gpus=${gpus:-$LIERE_GPUS_PER_NODE} limit=${limit:-$LIERE_TIME} folder=$(realpath -m "${LIERE_JOB_FOLDER:-$job_folder}")
[[ $nodes =~ ^[1-9][0-9]*$ ]] || die "--nodes $nodes: expected a number from 1."
[[ $gpus =~ ^[0-9]+$ ]] || die "--gpus $gpus: expected the number of GPUs of a node, 0 for none."
if [ -n "$tests" ] && [ "$kind" = evaluate ]; then die "--test stands after the run: submit.sh evaluate RUN --test $tests."; fi

# sbatch_options NODES GPUS LOG: sets options
sbatch_options() {
  local spelled
  options=(--parsable --chdir="$folder" --nodes="$1" --ntasks-per-node="$(($2 > 0 ? $2 : 1))" --cpus-per-task="$LIERE_CPUS_PER_TASK" --time="$limit"
    --output="$folder/logs/$3" --export="ALL,LIERE_HOME=$home,LIERE_SITE=$site,LIERE_JOB_FOLDER=$folder")
  if [ "$2" -gt 0 ] && [ -n "$LIERE_GPU_OPTION" ]; then
    spelled=${LIERE_GPU_OPTION//%d/$2}
    options+=("$spelled")
  fi
  [ -z "$LIERE_ACCOUNT" ] || options+=(--account="$LIERE_ACCOUNT")
  [ -z "$LIERE_PARTITION" ] || options+=(--partition="$LIERE_PARTITION")
  [ -z "$LIERE_QOS" ] || options+=(--qos="$LIERE_QOS")
  [ -z "$LIERE_CONSTRAINT" ] || options+=(--constraint="$LIERE_CONSTRAINT")
  [ -z "$LIERE_MEMORY_PER_NODE" ] || options+=(--mem="$LIERE_MEMORY_PER_NODE")
  options+=("${signal[@]}" "${LIERE_SBATCH_OPTIONS[@]}" "${more[@]}")
}

# submit SBATCH_ARGUMENT...: prints the line; sets job to the number of the job
submit() {
  printf 'sbatch%s\n' "$(printf ' %q' "$@")"
  job=JOB
  if [ -n "$dry_run" ]; then return; fi
  job=$(sbatch "$@") || die "sbatch refused this (above it says why): correct $site or the options."
  job=${job%%;*} # a cluster's name may follow
  echo "submitted job $job"
}

[ -n "$dry_run" ] || command -v sbatch >/dev/null || die "there is no sbatch here: run this where you submit jobs, or see what it would submit with --dry-run."
[ -n "$dry_run" ] || mkdir -p "$folder/logs" || die "$folder/logs could not be made: correct LIERE_JOB_FOLDER in $site."
dependency=() array=() signal=(--signal="B:USR1@$LIERE_SIGNAL_SECONDS")
[ -z "$after" ] || dependency=(--dependency="afterok:$after" --kill-on-invalid-dep=yes)
case $kind in
  train)
    [ $# -gt 0 ] || die "submit.sh train needs the arguments of liere-train, for example --config cifar100_liere.yaml."
    name=${name:-liere}
    sbatch_options "$nodes" "$gpus" "%x-%j.log"
    submit "${options[@]}" --job-name="$name" "${dependency[@]}" "$home/scripts/slurm/train.sbatch" "$@"
    next=afterok
    ;;
  sweep)
    list=${1:-}
    [ -f "$list" ] || die "submit.sh sweep needs a list of runs, '$list' is no file: each line holds the arguments of one run (scripts/slurm/cifar100.list is one)."
    shift
    count=$(grep -c -v -e '^[[:space:]]*#' -e '^[[:space:]]*$' "$list") || die "$list holds no run: each line that is neither empty nor a comment (#) holds the arguments of one."
    name=${name:-liere-sweep}
    # Jobs wait for hours: they read the list as it is now.
    kept=$folder/logs/$(basename "$list").$(date +%Y%m%d-%H%M%S).$$
    [ -n "$dry_run" ] || cp "$list" "$kept"
    array=(--array="0-$((count - 1))%$LIERE_PARALLEL_RUNS")
    sbatch_options "$nodes" "$gpus" "%x-%A_%a.log"
    submit "${options[@]}" "${array[@]}" --job-name="$name" "${dependency[@]}" "$home/scripts/slurm/sweep.sbatch" "$kept" "$@"
    next=aftercorr
    ;;
  evaluate)
    [ $# -gt 0 ] || die "submit.sh evaluate needs a run folder, or job:NUMBER for the run that this job trains."
    signal=()
    sbatch_options 1 "$((gpus > 0))" "%x-%j.log"
    submit "${options[@]}" --job-name="${name:-liere-eval}" "${dependency[@]}" "$home/scripts/slurm/evaluate.sbatch" "$@"
    ;;
esac
if [ -n "$tests" ]; then
  log=%x-%j.log
  [ ${#array[@]} = 0 ] || log=%x-%A_%a.log
  signal=()
  sbatch_options 1 "$((gpus > 0))" "$log"
  submit "${options[@]}" "${array[@]}" --job-name="$name-eval" --dependency="$next:$job" --kill-on-invalid-dep=yes "$home/scripts/slurm/evaluate.sbatch" "job:$job" --test "$tests"
fi
echo "$job"
