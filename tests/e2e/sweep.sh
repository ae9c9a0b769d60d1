#!/usr/bin/env bash
# A sweep as a user runs it: planned, stopped by Ctrl-C, gone on with, told of, listed for SLURM.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"

cat >trial.yaml <<'END'
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
END
expect 0 liere-sweep --help
says run status plan slurm
expect 2 liere-sweep
expect 2 liere-sweep run
expect 2 liere-sweep run nowhere.yaml
one_sentence
expect 0 liere-sweep plan trial.yaml
says '4 to do, 0 done' 'disk'
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

# A name that exists nowhere is told before anything is trained.
sed 's/train.steps=16/train.stpes=16/' trial.yaml >typo.yaml
expect 2 liere-sweep run typo.yaml
one_sentence
says "Did you mean 'steps'" 'point liere_8_seed0'
[ ! -e runs/typo ] || fail 'a refused sweep left files'

# Ctrl-C in the middle: 75; the same command goes on and two at once share the processors.
sed 's/train.steps=16/train.epochs=40/' trial.yaml >long.yaml
env --default-signal=INT liere-sweep run long.yaml >log 2>&1 </dev/null &
pid=$!
for _ in $(seq 600); do
  if [ -s runs/long/liere_8_seed0/metrics.jsonl ]; then break; fi
  kill -0 $pid 2>/dev/null || { cat log; fail 'the sweep ended before it was stopped'; }
  sleep 0.1
done
kill -INT $pid
code=0
wait $pid || code=$?
[ $code = 75 ] || { cat log; fail "exit code $code after SIGINT, 75 was expected"; }
! pgrep -f -- 'runs/long' >/dev/null || fail 'a process was left behind'
expect 0 liere-sweep status long.yaml
says stopped 'not started' '0 done, 4 left'
expect 0 liere-sweep slurm long.yaml --list list
[ "$(grep -c '^--config' list)" = 4 ] || fail 'the list does not hold four runs'
! grep '^--config' list | grep -q '[^ ] \{2,\}' || fail 'a line of the list has more than single blanks'
read -r -a arguments < <(grep -m 1 '^--config' list)
expect 0 liere-train "${arguments[@]}" train.steps=20
says 'resuming from'
