#!/usr/bin/env bash
# scripts/slurm without a SLURM: what is asked for with each example of a site's file, and in which order a job starts container, srun and program. The
# programs of a cluster are stand-ins that write down how they were called.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../e2e/expect.sh
source "$(dirname "$0")/../e2e/expect.sh"
touch "$output"
slurm=$LIERE_SOURCE/scripts/slurm
for variable in $(compgen -v LIERE_ | grep -v -x -e LIERE_BIN -e LIERE_SOURCE -e LIERE_WORK); do unset "$variable"; done
unset LIERE_BIN # of the test, not of a site
unset USER # some shells have none
user=$(id -un)

mkdir bin
cat >bin/stand_in <<'END'
#!/bin/bash
echo "${0##*/}$(printf ' %s' "$@")" >>"$LIERE_WORK/calls"
[ "${0##*/}" != module ] || exit 0
[[ " $* " != *' --print-config'* ]] || echo "output: $LIERE_WORK/run     # default"
END
chmod +x bin/stand_in
for name in srun apptainer module liere-train; do ln -s stand_in bin/$name; done
PATH=$PWD/bin:$PATH

calls_are() { # calls_are LINE...: in this order, nothing else
  printf '%s\n' "$@" >wanted
  diff wanted calls >"$output" || fail 'the programs were called otherwise than expected (< expected, > found)'
}
job() { # job SITE: one process, as SLURM would start the batch script
  rm -f calls
  expect 0 env SLURM_JOB_ID=1 SLURM_NTASKS=1 LIERE_HOME="$LIERE_SOURCE" LIERE_JOB_FOLDER="$LIERE_WORK/jobs" LIERE_SITE="$1" bash "$slurm/train.sbatch" --config a.yaml
}
mkdir jobs

# Each example: no name that site.env does not know, and what is asked for.
for file in "$slurm"/examples/*.env; do
  for variable in $(grep -o 'LIERE_[A-Z_]*[=]' "$file" | tr -d = | sort -u); do
    grep -q -e "$variable=" -e "$variable\]" "$slurm/site.env" || [ "$variable" = LIERE_TORCH ] || [ "$variable" = LIERE_SITE ] || fail "$file sets $variable, which site.env does not know"
  done
  expect 0 env LIERE_SITE="$file" "$slurm/submit.sh" --dry-run --gpus 2 train --config a.yaml
  says '--ntasks-per-node=2' "LIERE_SITE=$file" '--time=24:00:00' '--signal=B:USR1@120'
done
asks() { # asks EXAMPLE TEXT...
  expect 0 env LIERE_SITE="$slurm/examples/$1.env" "$slurm/submit.sh" --dry-run train --config a.yaml
  shift
  says "$@"
}
asks a100 --account=myproject --partition=gpu --gres=gpu:a100:4 --ntasks-per-node=4 --cpus-per-task=16 "--chdir=/scratch/$user/liere"
asks h100 --partition=h100 --gpus-per-node=h100:8 --cpus-per-task=12 "--chdir=/shared/$user/liere"
asks l40s --gres=gpu:l40s:4 --qos=normal --mem=128G
# A variable of the environment beats the file's line; a file of one line has site.env's values for the rest.
LIERE_PARTITION=debug asks a100 --partition=debug
printf 'LIERE_PARTITION=short\n' >one_line.env
expect 0 env LIERE_SITE=one_line.env "$slurm/submit.sh" --dry-run train --config a.yaml
says --partition=short --gpus-per-node=1 "LIERE_SITE=$PWD/one_line.env"

# What a job starts: with modules and the program of PATH, in apptainer, in srun's own container (which also tells the run folder: this shell is outside).
printf 'LIERE_BIN=%s\n' "$PWD/bin" >plain.env
cat "$slurm/examples/a100.env" >>plain.env
job "$PWD/plain.env"
step='--kill-on-bad-exit=0 --wait=60'
calls_are 'module purge' 'module load cuda/12.8' 'liere-train --config a.yaml --print-config' "srun $step $PWD/bin/liere-train --config a.yaml"
job "$slurm/examples/l40s.env"
inside='apptainer exec --nv --bind /scratch /scratch/images/liere.sif /opt/liere/bin/liere-train --config a.yaml'
calls_are "$inside --print-config" "srun $step $inside"
job "$slurm/examples/h100.env"
container="--container-image=/shared/images/liere.sqsh --container-mounts=/shared:/shared --container-workdir=$LIERE_WORK/jobs"
calls_are "srun --nodes=1 --ntasks=1 $container /opt/liere/bin/liere-train --config a.yaml --print-config" "srun $step $container /opt/liere/bin/liere-train --config a.yaml"
grep -q -x "$LIERE_WORK/run" jobs/logs/1.run || fail 'the run folder was not noted for the evaluation'

# Without a container the program must be there; one sentence.
printf 'LIERE_BIN=/nowhere\n' >wrong.env
expect 2 env SLURM_JOB_ID=1 LIERE_HOME="$LIERE_SOURCE" LIERE_JOB_FOLDER="$LIERE_WORK/jobs" LIERE_SITE="$PWD/wrong.env" bash "$slurm/train.sbatch" --config a.yaml
one_sentence
says '/nowhere holds no liere-train' "$PWD/wrong.env"
expect 2 env LIERE_SITE=no/such/folder/site.env "$slurm/submit.sh" --dry-run train --config a.yaml
one_sentence
says no/such/folder/site.env LIERE_SITE
# An example put in the place of site.env, which lacks what it leaves out.
mkdir -p replaced/scripts
cp -r "$slurm" replaced/scripts/slurm
cp "$slurm/examples/a100.env" replaced/scripts/slurm/site.env
expect 2 replaced/scripts/slurm/submit.sh --dry-run train --config a.yaml
one_sentence
says 'LIERE_NODES' 'LIERE_SITE'
