#!/usr/bin/env bash
# The batch scripts on a real SLURM of two nodes on this machine: submitted, preempted, cut off by the time limit, cancelled, with a killed process and a lost
# node; each time the run must end where an undisturbed one does, bit for bit, with one log and each step once in its metrics.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/slurm_local.sh
source "$(dirname "$0")/../support/slurm_local.sh"
missing=$(slurm_missing)
if [ -n "$missing" ]; then
  echo "skipped: $missing"
  exit 0
fi
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"
touch "$output"
trap 'slurm_down "$LIERE_WORK/slurm"' EXIT
slurm_up "$LIERE_WORK/slurm" 2 || fail 'SLURM did not start'

export LIERE_JOB_FOLDER=$LIERE_WORK LIERE_GPUS_PER_NODE=0 LIERE_CPUS_PER_TASK=1 LIERE_TIME=10 LIERE_HOME=$LIERE_SOURCE
unset LIERE_SITE
submit_script=$LIERE_SOURCE/scripts/slurm/submit.sh
steps=600
config=(--config arrows_tiny_liere.yaml device=cpu threads=1 log.every_steps=1 log.flush_seconds=0 train.epochs=1000 schedule.epochs=2 train.steps="$steps")

submit() { # submit ARGUMENT...: sets job
  expect 0 "$submit_script" "$@"
  job=$(tail -n 1 "$output")
  [[ $job =~ ^[0-9]+$ ]] || fail 'submit.sh did not end with a job number'
}
job_state() { scontrol show job "$1" | sed -n '0,/JobState=/s/.*JobState=\([A-Z_]*\).*/\1/p'; }
wait_until() { # wait_until SECONDS WHAT COMMAND...
  local tries=$(($1 * 5)) what=$2
  shift 2
  for _ in $(seq "$tries"); do
    if "$@"; then return; fi
    sleep 0.2
  done
  squeue >"$output" 2>&1
  tail -n 20 "$LIERE_WORK"/logs/*"${job:-}"*.log >>"$output" 2>&1 || true
  fail "this did not come: $what"
}
is_state() { [ "$(job_state "$1")" = "$2" ]; }
steps_of() { grep -c '"event":"train"' "$1/metrics.jsonl" 2>/dev/null || true; }
has_steps() { [ "$(steps_of "$1")" -ge "$2" ] 2>/dev/null; }
wait_steps() { last="job $job" && wait_until 60 "step $2 of $1" has_steps "$1" "$2"; }
# A requeued job waits two minutes; not here.
start_again() {
  wait_until 60 "job $1 requeued" is_state "$1" PENDING
  scontrol update jobid="$1" StartTime=now
}
log_says() { # log_says JOB COUNT TEXT: so many lines of the job's only log hold it
  local found
  found=$(cat "logs/"*"-$1.log" | grep -c -F -e "$3" || true)
  [ "$found" = "$2" ] || { cp "$(echo "logs/"*"-$1.log")" "$output" && fail "the log of job $1 says '$3' $found times, $2 were expected"; }
}
digest() { checkpoint_tool digest "$1/checkpoints/step-$(printf %08d "$steps").safetensors" | cut -d ' ' -f 1; }
same_as_undisturbed() { # same_as_undisturbed RUN
  [ "$(digest "$1")" = "$undisturbed" ] || fail "$1 ended with other tensors than the undisturbed run"
  [ "$(steps_of "$1")" = "$steps" ] || fail "the metrics of $1 hold $(steps_of "$1") steps, each of $steps once was expected"
}
program_of() { pgrep -f "^[^ ]*liere-train .*--output $1( |\$)" | head -n 1; }

expect 0 liere-train "${config[@]}" --output undisturbed
undisturbed=$(digest undisturbed)
[ ${#undisturbed} = 64 ] || fail 'the undisturbed run left no checkpoint'

# Wrong arguments end before anything is submitted; --dry-run submits nothing.
expect 2 "$submit_script" --nodes none train "${config[@]}"
one_sentence
expect 2 "$submit_script" sweep no-such-list
one_sentence
expect 0 "$submit_script" --dry-run --nodes 2 --gpus 4 train "${config[@]}"
says '--nodes=2' '--ntasks-per-node=4' '--gpus-per-node=4' '--signal=B:USR1@120'
[ -z "$(squeue -h)" ] || fail '--dry-run submitted a job'

# The signal before the time limit, twice: saved, requeued, gone on in the same log; then evaluated by the job that waited for it.
submit --test accuracy train "${config[@]}" --output stopped
evaluation=$job job=$((job - 1))
for start in 1 2; do
  wait_steps stopped $((start * 150))
  scancel --batch --signal=USR1 "$job"
  start_again "$job"
done
wait_until 90 'the stopped job done' is_state "$job" COMPLETED
same_as_undisturbed stopped
log_says "$job" 2 'exit code 75 after SIGUSR1'
log_says "$job" 1 'start 3,'
log_says "$job" 2 'SIGUSR1: stopped at step'
wait_until 60 'the evaluation done' is_state "$evaluation" COMPLETED
is_file stopped/eval/accuracy/eval.json

# Preempted by a job that goes before it (SIGTERM to the processes, then requeued), and a killed process in the next start: not started again by itself.
submit train "${config[@]}" --output preempted
wait_steps preempted 100
expect 0 sbatch --parsable --partition=urgent --nodes=2 --exclusive --output=/dev/null --wrap 'sleep 1'
urgent=$(cat "$output")
wait_until 40 'the urgent job done' is_state "$urgent" COMPLETED
start_again "$job"
log_says "$job" 1 'SIGTERM: stopped at step'
wait_steps preempted 300
kill -KILL "$(program_of preempted)"
wait_until 40 'the job with a killed process failed' is_state "$job" FAILED
log_says "$job" 1 'exit code 137'
submit train "${config[@]}" --output preempted
wait_steps preempted 400
# Cancelled: saved, and not started again.
scancel "$job"
wait_until 40 'the job cancelled' is_state "$job" CANCELLED
log_says "$job" 1 'exit code 75 after SIGTERM'
submit train "${config[@]}" --output preempted
wait_until 90 'the preempted run done' is_state "$job" COMPLETED
same_as_undisturbed preempted
