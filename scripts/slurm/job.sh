# Sourced by the batch scripts: finds the program, starts one process per GPU, passes signals on, and decides whether the job starts again.
# What is known of SLURM here was seen on 22.05 (docs/cluster.md): --signal reaches the batch shell (B:) up to a minute early; scancel and preemption
# send SIGTERM; a requeued job keeps its number, its script and its environment and counts SLURM_RESTART_COUNT up from unset.
# shellcheck shell=bash
say() { printf 'slurm: %s\n' "$*"; }
die() { # die CODE SENTENCE
  printf 'error: %s\n' "$2" >&2
  exit "$1"
}

# The shell must outlive the signals from its first moment: it notes them, and passes them on once there is somebody to pass them to. Always as SIGUSR1, which
# means the same to liere-train: srun forwards that one, and takes SIGTERM as an order to end the step itself.
asked_by='' step=''
on_signal() {
  asked_by=$1
  if [ -n "$step" ]; then kill -USR1 "$step" 2>/dev/null || true; fi
}
trap 'on_signal USR1' USR1
trap 'on_signal TERM' TERM

: "${SLURM_JOB_ID:?this is a batch script: submit it with scripts/slurm/submit.sh}"
home=${LIERE_HOME:-${SLURM_SUBMIT_DIR:?}}
site=${LIERE_SITE:-$home/scripts/slurm/site.env}
[ -f "$site" ] || die 2 "$site was not found: submit with scripts/slurm/submit.sh, or from the project's folder, or name the file with LIERE_SITE."
# shellcheck source-path=SCRIPTDIR source=site.env
source "$site"
# shellcheck source-path=SCRIPTDIR source=site.env
[ "$site" -ef "$home/scripts/slurm/site.env" ] || source "$home/scripts/slurm/site.env" # what another file leaves out
cd "${LIERE_JOB_FOLDER:-$home}" || exit 2
logs=$PWD/logs
mkdir -p "$logs" || exit 4

in_container() { [ ${#LIERE_CONTAINER[@]} -gt 0 ] || [[ " ${LIERE_SRUN_OPTIONS[*]} " == *' --container-'* ]]; }

find_program() { # find_program NAME: sets program
  local folder
  # In a container the folder may exist only there.
  if [ -n "$LIERE_BIN" ] && in_container; then program=$LIERE_BIN/$1 && return; fi
  # The last one: where the package has its programs, this script being in its share/liere.
  for folder in "$LIERE_BIN" "$home"/build/{cuda,gpu,cpu}/bin "$home"/../../bin; do
    if [ -n "$folder" ] && [ -x "$folder/$1" ]; then program=$folder/$1 && return; fi
    [ -z "$folder" ] || [ "$folder" != "$LIERE_BIN" ] || die 2 "LIERE_BIN=$LIERE_BIN holds no $1: correct it in $site, or build with scripts/build.sh."
  done
  if in_container; then program=$1 && return; fi
  program=$(command -v "$1") || die 2 "$1 was not found in $home/build: build it with scripts/build.sh, or set LIERE_BIN in $site."
}

begin() { # begin NAME: sets program
  liere_prepare_job
  find_program "$1"
  say "$(date '+%F %T') job $SLURM_JOB_ID${SLURM_ARRAY_TASK_ID:+ (element $SLURM_ARRAY_TASK_ID of array $SLURM_ARRAY_JOB_ID)}, start $((${SLURM_RESTART_COUNT:-0} + 1)), ${SLURM_NNODES:-1} nodes (${SLURM_JOB_NODELIST:-})"
}

# run_step [SRUN_OPTION...] -- COMMAND...: in the background, so that this shell hears signals meanwhile; sets code to srun's exit code, the highest of all
# processes. 75 stands also for a step that a stop signal ended before the program could take it.
run_step() {
  local options=(--kill-on-bad-exit=0 --wait="$LIERE_WAIT_SECONDS")
  # Since SLURM 22.05 srun no longer inherits this from sbatch. A rank that is gone is for the others to notice (exit 5); --wait ends what does not.
  [ -z "${SLURM_CPUS_PER_TASK:-}" ] || options+=(--cpus-per-task="$SLURM_CPUS_PER_TASK")
  options+=("${LIERE_SRUN_OPTIONS[@]}")
  while [ "$1" != -- ]; do options+=("$1") && shift; done
  shift
  code=75
  if [ -n "$asked_by" ]; then return; fi
  srun "${options[@]}" "${LIERE_CONTAINER[@]}" "$@" &
  step=$!
  if [ -n "$asked_by" ]; then kill -USR1 "$step"; fi
  while true; do
    code=0
    wait "$step" || code=$?
    kill -0 "$step" 2>/dev/null || break # else a trap ended the wait
  done
  # The wait that a signal ended may also have been the last one: ask once more for the step's own code.
  if [ "$code" -gt 128 ] && [ -n "$asked_by" ]; then
    wait "$step" && code=0 || code=$?
    if [ "$code" = 127 ] || [ "$code" = 138 ] || [ "$code" = 143 ]; then code=75; fi
  fi
  step=''
}

# finish CODE: starts the job again, or ends it with the code. SLURM itself starts a job again after preemption (PreemptMode=REQUEUE) and after a node's death.
finish() {
  local restarts=${SLURM_RESTART_COUNT:-0}
  say "$(date '+%F %T') exit code $1${asked_by:+ after SIG$asked_by}"
  if [[ " $LIERE_REQUEUE_CODES " != *" $1 "* ]]; then exit "$1"; fi
  # SIGTERM to this shell: the time limit, or somebody cancelled the job, which 'scontrol requeue' would revive.
  if [ "$asked_by" = TERM ] && ! scontrol show job "$SLURM_JOB_ID" | grep -q 'Reason=TimeLimit '; then exit "$1"; fi
  if [ "$restarts" -ge "$LIERE_MAX_RESTARTS" ]; then
    say "not started again after $restarts restarts (LIERE_MAX_RESTARTS): submit the same line to go on"
    exit 1
  fi
  say 'asks to be requeued: goes on from the newest checkpoint'
  trap 'exit 0' TERM # so does SLURM end this shell as soon as it has requeued the job
  if scontrol requeue "$SLURM_JOB_ID"; then
    for _ in $(seq 60); do sleep 1; done
    exit 0
  fi
  say "SLURM did not requeue job $SLURM_JOB_ID (above it says why): submit the same line to go on"
  exit "$1"
}

# train ARGUMENT...: a run that goes on from its newest checkpoint when there is one, under all processes of the job; notes its folder for the evaluation.
train() {
  local note=$logs/${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}.run folder alone=()
  [ -n "${SLURM_ARRAY_JOB_ID:-}" ] || note=$logs/$SLURM_JOB_ID.run
  begin liere-train
  # srun's own containers are not this shell's.
  [ ${#LIERE_SRUN_OPTIONS[@]} = 0 ] || alone=(srun --nodes=1 --ntasks=1 "${LIERE_SRUN_OPTIONS[@]}")
  folder=$("${alone[@]}" "${LIERE_CONTAINER[@]}" "$program" "$@" --print-config | sed -n 's/^output: *\(.*[^ ]\) *# [^#]*$/\1/p')
  if [ -z "$folder" ] && [ -n "$asked_by" ]; then finish 75; fi
  [ -n "$folder" ] || die 2 "the configuration was refused: correct the arguments and submit again."
  folder=${folder#\"} folder=${folder%\"}
  { printf '%s\n' "$folder" >"$note.new" && mv "$note.new" "$note"; } || die 4 "$note could not be written: free some space or correct LIERE_JOB_FOLDER."
  say "run folder $folder, ${SLURM_NTASKS:-1} processes: liere-train $*"
  run_step -- "$program" "$@"
  finish "$code"
}
