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
stamp() { printf '%3d s  %s\n' "$SECONDS" "$1"; }
left_behind=''
trap '[ -z "$left_behind" ] || kill -KILL "$left_behind"; slurm_down "$LIERE_WORK/slurm"' EXIT
slurm_up "$LIERE_WORK/slurm" 2 || fail 'SLURM did not start'

export LIERE_JOB_FOLDER=$LIERE_WORK LIERE_GPUS_PER_NODE=0 LIERE_CPUS_PER_TASK=1 LIERE_TIME=10 LIERE_HOME=$LIERE_SOURCE
unset LIERE_SITE
submit_script=$LIERE_SOURCE/scripts/slurm/submit.sh
steps=400
config=(--config arrows_tiny_liere.yaml device=cpu threads=1 log.every_steps=1 log.flush_seconds=0 train.epochs=1000 schedule.epochs=2 train.steps="$steps" checkpoint.every_steps=50)

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
wait_steps() { last="job $job" && wait_until 180 "step $2 of $1" has_steps "$1" "$2"; }
# A requeued job waits two minutes; here as long as slurmd needs to forget that it revoked the job's credential: started earlier, the job fails.
start_again() {
  wait_until 60 "job $1 requeued" is_state "$1" PENDING
  sleep 3
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
count_is() { # count_is N COMMAND...: it prints so many lines
  local lines=$1
  shift
  [ "$("$@" 2>/dev/null | wc -l)" = "$lines" ]
}
is_gone() { ! grep -q '^State:[[:space:]]*[^Z]' "/proc/$1/status" 2>/dev/null; }
node_is_idle() { [ "$(sinfo -h -N -p main -n "$1" -o %T)" = idle ]; }
process_of() { # process_of JOB RANK: found by its environment, which names this SLURM
  local file
  for file in /proc/[0-9]*/environ; do
    if [ "$(cat "${file%environ}comm" 2>/dev/null)" = liere-train ] && tr '\0' '\n' <"$file" 2>/dev/null | grep -c -x -e "SLURM_CONF=$SLURM_CONF" -e "SLURM_JOB_ID=$1" -e "SLURM_PROCID=$2" | grep -q -x 3; then
      file=${file%/environ}
      echo "${file##*/}"
      return
    fi
  done
  fail "rank $2 of job $1 has no process"
}

# freeze PID RUN: but not while it publishes a file, where nobody may overtake it
freeze() {
  local inode
  inode=$(stat -c %i "$2/lock.fence")
  for _ in $(seq 100); do
    kill -STOP "$1"
    sleep 0.1 # until all threads stand
    grep -q ":$inode " /proc/locks || return 0
    kill -CONT "$1"
    sleep 0.05
  done
  fail "process $1 publishes a file in $2 whenever it is looked at"
}

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

stamp 'stopped before the limit, twice'
# The signal before the time limit, twice: saved, requeued, gone on in the same log; then evaluated by the job that waited for it.
submit --test accuracy train "${config[@]}" --output stopped
evaluation=$job job=$((job - 1))
for start in 1 2; do
  wait_steps stopped $((start * 100))
  scancel --batch --signal=USR1 "$job"
  start_again "$job"
done
wait_until 240 'the stopped job done' is_state "$job" COMPLETED
same_as_undisturbed stopped
log_says "$job" 2 'exit code 75 after SIGUSR1'
log_says "$job" 1 'start 3,'
log_says "$job" 2 'SIGUSR1: stopped at step'
wait_until 60 'the evaluation done' is_state "$evaluation" COMPLETED
is_file stopped/eval/accuracy/eval.json

stamp 'preempted, killed, cancelled'
# Preempted by a job that goes before it (SIGTERM to the processes, then requeued), and a killed process in the next start: not started again by itself.
submit train "${config[@]}" --output preempted
wait_steps preempted 60
expect 0 sbatch --parsable --partition=urgent --nodes=2 --exclusive --output=/dev/null --wrap 'sleep 1'
urgent=$(cat "$output")
wait_until 40 'the urgent job done' is_state "$urgent" COMPLETED
start_again "$job"
log_says "$job" 1 'SIGTERM: stopped at step'
wait_steps preempted 160
kill -KILL "$(process_of "$job" 0)"
wait_until 40 'the job with a killed process failed' is_state "$job" FAILED
log_says "$job" 1 'exit code 137'
submit train "${config[@]}" --output preempted
wait_steps preempted 260
# Cancelled: saved, and not started again.
scancel "$job"
wait_until 40 'the job cancelled' is_state "$job" CANCELLED
log_says "$job" 1 'exit code 75 after SIGTERM'
submit train "${config[@]}" --output preempted
wait_until 240 'the preempted run done' is_state "$job" COMPLETED
same_as_undisturbed preempted

stamp 'lost node'
# A lost node: the job starts again on the other one and takes the run over from the process that is left behind frozen, which publishes nothing when it wakes.
submit train "${config[@]}" --output moved
wait_steps moved 80
left_behind=$(process_of "$job" 0)
node=$(squeue -h -j "$job" -o %N)
freeze "$left_behind" moved
kill -KILL "$(cat "slurm/slurmd.$node.pid")"
start_again "$job"
wait_until 60 'the run taken over' grep -q 'takes it over' moved/log.txt "logs/liere-$job.log"
wait_steps moved 110
kill -CONT "$left_behind"
wait_until 240 'the moved run done' is_state "$job" COMPLETED
wait_until 20 'the process on the lost node gone' is_gone "$left_behind"
left_behind=''
same_as_undisturbed moved
/usr/sbin/slurmd -f "$SLURM_CONF" -N "$node"
wait_until 30 "node $node back" node_is_idle "$node"

stamp 'sweep'
# A sweep: one run a line, and the evaluation of each as soon as it has ended.
printf '# two encodings, two seeds\n' >sweep.list
for block in 2 8; do
  for seed in 0 1; do echo "--config arrows_tiny_liere.yaml device=cpu threads=1 model.position.block_size=$block seed=$seed --output sweep/b${block}_seed$seed"; done
done >>sweep.list
submit --test accuracy sweep sweep.list train.steps=20
rm sweep.list # the jobs have a copy
wait_until 120 'four evaluations' count_is 4 ls sweep/b2_seed0/eval/accuracy/eval.json sweep/b2_seed1/eval/accuracy/eval.json sweep/b8_seed0/eval/accuracy/eval.json \
  sweep/b8_seed1/eval/accuracy/eval.json
for run in sweep/b{2,8}_seed{0,1}; do is_file "$run/summary.json"; done
grep -q 'block_size: 2' sweep/b2_seed1/config.yaml || fail 'sweep/b2_seed1 was trained with other arguments than its line holds'
wait_until 30 'the sweep done' count_is 0 squeue -h

stamp 'signals at the time limit'
# SLURM's own signals near and at the time limit, side by side: checked every half minute, so both come early or late.
submit train "${config[@]}" train.steps=100000 --output near_limit
near=$job
submit --sbatch --signal=B:CONT@1 train "${config[@]}" train.steps=100000 --output at_limit
wait_steps near_limit 20
wait_steps at_limit 20
scontrol update jobid="$near" EndTime="$(date -d '+2 minutes' +%FT%T)"
scontrol update jobid="$job" EndTime="$(date -d '+1 second' +%FT%T)"
at=$job
wait_until 70 'SIGTERM at the time limit' grep -q 'after SIGTERM' "logs/liere-$at.log"
wait_until 70 'SIGUSR1 before the time limit' grep -q 'after SIGUSR1' "logs/liere-$near.log"
log_says "$near" 1 'SIGUSR1: stopped at step'
for job in "$near" "$at"; do
  wait_until 30 "job $job requeued" is_state "$job" PENDING
  log_says "$job" 1 ': stopped at step' # at the limit SIGTERM reaches the process and the shell, which passes it on as SIGUSR1: either may be first
  log_says "$job" 1 'slurm: asks to be requeued'
  scancel "$job"
done

stamp 'two nodes'
# Two nodes, a process on each: stopped and started again they end where two undisturbed processes do; when one dies the other ends by itself.
export MASTER_ADDR=127.0.0.1 # the nodes' names are SLURM's only
# With a site's file of one line: srun gets its options, also where it is asked for the run folder.
printf 'LIERE_SRUN_OPTIONS=(--cpu-bind=none)\n' >site.env
export LIERE_SITE=$PWD/site.env
expect 0 liere-train "${config[@]}" --output undisturbed_two --ranks 2
undisturbed=$(digest undisturbed_two)
submit --nodes 2 train "${config[@]}" --output two
wait_steps two 60
scancel --batch --signal=USR1 "$job"
start_again "$job"
log_says "$job" 1 'SIGUSR1: stopped at step'
wait_steps two 160
kill -KILL "$(process_of "$job" 1)"
killed_at=$SECONDS
wait_until 40 'the job with a dead process failed' is_state "$job" FAILED
[ $((SECONDS - killed_at)) -le 20 ] || fail "the job of a dead process went on for $((SECONDS - killed_at)) s"
log_says "$job" 1 'exit code 137'
log_says "$job" 1 'error: rank 0 on '
submit --nodes 2 train "${config[@]}" --output two
wait_until 240 'the run of two processes done' is_state "$job" COMPLETED
same_as_undisturbed two
stamp "$(scontrol show job | grep -c '^JobId=') jobs, all as expected"
