#!/usr/bin/env bash
# Several processes as a user runs them: the same training as one, stopped and gone on with in another number, a rank killed, wrong environments.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"

tiny=(liere-train --config arrows_tiny_liere.yaml device=cpu loader.workers=1 train.precision=fp64 train.epochs=2 checkpoint.every_steps=5)

expect 0 "${tiny[@]}" --output one threads=1
expect 0 "${tiny[@]}" --output two --ranks 2
says 'ranks: 2' 'rank 0 of 2 (liere-train --ranks' 'Gloo'
[ "$(value ranks two/summary.json)" = 2 ] || fail 'the summary does not say how many ranks there were'
# Sums in another order: the last digits may differ, the first ten not.
same() { [ "$(printf '%.9g' "$(value loss "$1/summary.json")")" = "$(printf '%.9g' "$(value loss "$2/summary.json")")" ] || fail "$1 and $2 end with different losses"; }
same one two
expect 0 "${tiny[@]}" --output parts --ranks 3 train.steps=11
expect 0 "${tiny[@]}" --output parts threads=1 train.steps=20
says 'resuming from'
expect 0 "${tiny[@]}" --output parts --gpus=2
same one parts

# A signal to the parent reaches all; they stop at the same step.
long=("${tiny[@]}" train.epochs=2000 --output long)
start() {
  rm -f log # of the run before: what it says must not be taken for this one's
  env --default-signal=INT "$@" >log 2>&1 &
  pid=$!
  until grep -q 'images/s' log 2>/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.05; done
}
ended() {
  code=0
  wait $pid || code=$?
  [ $code = "$1" ] || { cat log; fail "exit code $code, $1 was expected"; }
  ! pgrep -f -- '--output (long|early)' >/dev/null || fail 'a process was left behind'
}
start "${long[@]}" --ranks 2
kill -TERM $pid
ended 75
grep -q 'saved. The same command goes on' log || fail 'a stopped run does not say how to go on'
# One rank killed: the others end, the cause is said once.
start "${long[@]}" --ranks 2
kill -KILL "$(pgrep -P $pid | sort -n | tail -n 1)"
ended 137
[ "$(grep -c 'was ended by signal 9' log)" = 1 ] || fail 'the cause is not said once'
grep -q 'no sign of life from rank 1\|rank 1 of 2 on host [^ ]* was ended' log || fail 'the lost rank is not named'

# A second Ctrl-C ends them at once, and nobody is blamed.
start "${tiny[@]}" train.epochs=2000 --output twice --ranks 2
kill -INT $pid
kill -INT $pid 2>/dev/null || true
code=0
wait $pid || code=$?
case $code in
  130) grep -q 'SIGINT came twice' log || fail 'a second Ctrl-C is not told' ;;
  75) ;; # both came as one
  *) cat log && fail "exit code $code after two interrupts, 130 was expected" ;;
esac
! grep -q 'error: rank' log || fail 'a rank is blamed for a second Ctrl-C'
# From the moment on at which the launcher takes signals, one is a clean stop: also before there are ranks, and while these load LibTorch.
takes_usr1() { [ $((0x$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null || echo 0) & 0x200)) != 0 ]; }
for delay in 0 0.05 0.2 0.5; do
  env --default-signal=INT "${tiny[@]}" train.epochs=2000 --output early --ranks 2 >log 2>&1 &
  pid=$!
  until takes_usr1 $pid; do kill -0 $pid; done
  sleep $delay
  kill -USR1 $pid
  ended 75
done

# Started by torchrun, where the Python beside LibTorch has it.
torch=$(ldd "$(command -v liere-train)" | sed -n 's/.*libtorch_cpu.so => \(.*\)\/lib\/libtorch_cpu.so .*/\1/p')
python=${LIERE_PYTHON:-$torch/../../../../bin/python}
if [ -x "$python" ] && "$python" -c 'import torch.distributed.run' 2>/dev/null; then
  expect 0 "$python" -m torch.distributed.run --no-python --standalone --nproc-per-node 2 "${tiny[@]}" --output by_torchrun
  says 'rank 0 of 2 (RANK and WORLD_SIZE; they meet at'
  same one by_torchrun
else
  echo 'torchrun was not tried: no Python with torch beside LibTorch (LIERE_PYTHON names one)'
fi

expect 2 env RANK=0 "${tiny[@]}" --output none
one_sentence
says WORLD_SIZE
expect 2 "${tiny[@]}" --ranks 0 --output none
one_sentence
expect 2 env RANK=2 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=1 "${tiny[@]}" --output none
one_sentence
says RANK
expect 5 env RANK=1 WORLD_SIZE=2 MASTER_ADDR=no-such-host.invalid MASTER_PORT=1 "${tiny[@]}" --output none
one_sentence
says no-such-host.invalid
expect 2 "${tiny[@]}" distributed.backend=nccl --ranks 2 --output none
says 'needs a GPU'
