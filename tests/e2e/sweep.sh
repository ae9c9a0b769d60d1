#!/usr/bin/env bash
# A sweep as a user runs it: planned, trained, tuned, stopped by Ctrl-C and gone on with, with runs that fail, told of, listed for SLURM.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"

cat >trial.yaml <<'YAML'
# liere-sweep run trial.yaml
config: arrows_tiny_liere.yaml
overrides: [device=cpu, threads=1, loader.workers=0, train.steps=16, eval.limit=64]
axes:
  encoding:
    values:
      liere_8: {}
      absolute: {overrides: [model.position.kind=absolute]}
  seed: {key: seed, values: [0, 1]}
evaluate: [accuracy]
reproduces:
  - {where: {encoding: liere_8}, table: C, row: LieRE_8, column: "two words", note: a trial}
YAML
expect 0 liere-sweep --help
says run status plan slurm
expect 2 liere-sweep
expect 2 liere-sweep run
expect 2 liere-sweep run nowhere.yaml
one_sentence
expect 0 liere-sweep plan trial.yaml
says '4 to train, 0 trained' 'disk'
[ ! -e runs/trial ] || fail 'a plan left files'
expect 0 liere-sweep run trial.yaml
says '4 done, 0 left'
is_file runs/trial/liere_8_seed0/summary.json runs/trial/absolute_seed1/eval/accuracy/eval.json
grep -q 'two words' runs/trial/liere_8_seed1/config.yaml || fail 'what the run should give is not in its configuration'
! grep -q 'two words' runs/trial/absolute_seed0/config.yaml || fail 'a point has the expectation of another'
before=$(cksum <runs/trial/liere_8_seed0/summary.json)
expect 0 liere-sweep run trial.yaml --jobs 2
[ "$(cksum <runs/trial/liere_8_seed0/summary.json)" = "$before" ] || fail 'a run that was done was trained again'
expect 0 liere-sweep slurm trial.yaml
! grep -q '^--config' "$output" || fail 'runs that are done are listed'
expect 0 liere-report runs/trial/liere_8_seed0 runs/trial/liere_8_seed1 runs/trial/absolute_seed0
says LieRE_8

# A run of another configuration is neither taken for the point's nor written over.
sed 's/^overrides: \[/output: runs\/trial\n&optimizer.lr=2e-3, /' trial.yaml >other.yaml
expect 0 liere-sweep status other.yaml
says 'another run' '0 done, 4 left'
expect 1 liere-sweep run other.yaml --stop-on-error
[ "$(cksum <runs/trial/liere_8_seed0/summary.json)" = "$before" ] || fail 'a run of another configuration was written over'

# What is wrong is told before anything is trained, in one sentence.
refused() { # refused NAME SED TEXT...
  local name=$1
  sed "$2" trial.yaml >"$name.yaml"
  shift 2
  expect 2 liere-sweep run "$name.yaml"
  one_sentence
  says "$@"
  [ ! -e "runs/$name" ] || fail 'a refused sweep left files'
}
refused typo 's/train.steps=16/train.stpes=16/' "Did you mean 'steps'" 'point liere_8_seed0'
refused second 's/kind=absolute/kind=absolut/' 'point absolute_seed0' # of a later point alone
refused axis 's/where: {encoding/where: {encodign/' "Did you mean 'encoding'" axis.yaml:
refused value 's/where: {encoding: liere_8/where: {encoding: liere_9/' "no value 'liere_9'" value.yaml:
refused twice 's/values: \[0, 1\]/values: [0, 0]/' 'share the folder runs/twice/liere_8_seed0'
refused empty 's/values: \[0, 1\]/values: []/' "axis 'seed' has no values"

# Tuning: the runs that choose hold data back; the final runs take the value with the highest accuracy on it, whatever the test set says.
sed 's/  seed: .*//; /^reproduces/,$d' trial.yaml >tuned.yaml
echo 'tune: {key: optimizer.lr, values: [1e-5, 1e-3, 1e-6], per: encoding, overrides: [data.holdout=64, train.steps=8]}' >>tuned.yaml
expect 0 liere-sweep run tuned.yaml
says '8 done, 0 left' 'encoding liere_8: 3 of 3 tuning runs, 24 steps' 'encoding absolute: 3 of 3 tuning runs, 24 steps'
for encoding in liere_8 absolute; do
  best='' highest=-1
  for rate in 1e-5 1e-3 1e-6; do
    top1=$(sed -n '/"holdout": {/,/}/p' "runs/tuned/tune_${encoding}_lr-$rate/summary.json" | grep -o '"top1": *[0-9.]*' | sed 's/.*: *//')
    [ -n "$top1" ] || fail "runs/tuned/tune_${encoding}_lr-$rate has no accuracy on held-out data"
    if awk "BEGIN { exit !($top1 > $highest) }"; then best=$rate highest=$top1; fi
  done
  says "encoding $encoding: 3 of 3 tuning runs, 24 steps; optimizer.lr=$best (holdout $(printf %.2f "$highest") %)"
  used=$(sed -n '/^optimizer:/,/^[^ ]/p' "runs/tuned/$encoding/config.yaml" | grep -o ' lr: *[0-9.e-]*' | sed 's/.*: *//')
  awk "BEGIN { exit !($used == $best) }" || fail "$encoding was trained with optimizer.lr=$used, $best was chosen"
  ! grep -q '"holdout": {' "runs/tuned/$encoding/summary.json" || fail "the final run of $encoding held data back"
done
[ ! -e runs/tuned/tune_liere_8_lr-1e-3/eval ] || fail 'a tuning run was evaluated on the test set'

# A run that fails is told of and tried again; the others are trained all the same.
cat >absent.yaml <<'YAML'
config: arrows_tiny_liere.yaml
overrides: [device=cpu, threads=1, loader.workers=0, train.steps=8, eval.limit=64]
axes:
  data:
    values:
      cifar: {config: cifar100_small_liere_8.yaml, overrides: [data.root=nowhere]}
      arrows: {}
YAML
expect 1 liere-sweep run absent.yaml --jobs 2
says '1 done, 1 left'
expect 0 liere-sweep status absent.yaml
says failed 'exit code 3' fetch-cifar100.sh
is_file runs/absent/arrows/summary.json runs/absent/cifar.log

# Ctrl-C in the middle: 75, nothing is left running; the same command goes on where it was, two at once.
sed 's/train.steps=16/train.epochs=40/' trial.yaml >long.yaml
env --default-signal=INT liere-sweep run long.yaml >log 2>&1 </dev/null &
pid=$!
for _ in $(seq 600); do
  if [ -s runs/long/liere_8_seed0/metrics.jsonl ]; then break; fi
  kill -0 $pid 2>/dev/null || { cat log; fail 'the sweep ended before it was stopped'; }
  sleep 0.1
done
child=$(pgrep -P $pid || true)
kill -INT $pid
code=0
wait $pid || code=$?
[ $code = 75 ] || { cat log; fail "exit code $code after SIGINT, 75 was expected"; }
for process in $child; do
  ! kill -0 "$process" 2>/dev/null || fail 'a process was left behind'
done
expect 0 liere-sweep status long.yaml
says stopped 'not started' '0 done, 4 left'
expect 0 liere-sweep slurm long.yaml --list list
[ "$(grep -c '^--config' list)" = 4 ] || fail 'the list does not hold four runs'
! grep '^--config' list | grep -q '[^ ] \{2,\}' || fail 'a line of the list has more than single blanks'
stopped=$(value steps runs/long/liere_8_seed0/summary.json)
end=$((stopped + 16)) # short of the 640 steps of the schedule, so that the test takes seconds
sed "s/train.epochs=40/&, train.steps=$end/" long.yaml >short.yaml
sed -i '/^axes/i output: runs/long' short.yaml
expect 0 liere-sweep run short.yaml --jobs 2
says '4 done, 0 left' "$end/$end"
grep -q "resuming from .*step $stopped of $end" runs/long/liere_8_seed0.log || fail 'the stopped run did not go on where it was'
is_file runs/long/absolute_seed1/eval/accuracy/eval.json runs/long/absolute_seed1.eval.log

# A line of the list is what liere-train takes.
read -r -a arguments < <(grep -m 1 '^--config' list)
expect 0 liere-train "${arguments[@]}" "train.steps=$((end + 2))"
says 'resuming from'
