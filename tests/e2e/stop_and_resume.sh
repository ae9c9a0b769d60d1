#!/usr/bin/env bash
# A run's life: trained, stopped by Ctrl-C, resumed, finished, evaluated, reported. The stopped run must end where an undisturbed one does, bit for bit.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"
config=(--config arrows_tiny_liere.yaml threads=1 log.every_steps=1 log.flush_seconds=0)

newest_step() { # of a run folder's checkpoints, without leading zeros
  local newest
  newest=$(find "$1/checkpoints" -name 'step-*.safetensors' 2>/dev/null | sort | tail -n 1)
  [ -n "$newest" ] || fail "$1 holds no checkpoint"
  newest=${newest##*step-}
  echo $((10#${newest%.safetensors}))
}

# Ctrl-C after the first steps: it saves, says how to go on, and ends with 75. (A shell starts its background jobs with SIGINT ignored: reset it.)
last='liere-train, then SIGINT'
env --default-signal=INT liere-train "${config[@]}" --output stopped train.epochs=1000 schedule.epochs=2 >"$output" 2>&1 </dev/null &
pid=$!
for _ in $(seq 600); do
  if [ "$(grep -c '"event":"train"' stopped/metrics.jsonl 2>/dev/null || true)" -ge 3 ] 2>/dev/null; then break; fi
  kill -0 "$pid" 2>/dev/null || fail 'the training ended before it was stopped'
  sleep 0.1
done
kill -INT "$pid"
code=0
wait "$pid" || code=$?
[ "$code" = 75 ] || fail "exit code $code after SIGINT, 75 was expected"
stopped_at=$(newest_step stopped)
[ "$stopped_at" -ge 3 ] || fail "stopped at step $stopped_at, but 3 were logged"

# The same command goes on; train.steps is no part of a run's identity.
steps=$((stopped_at + 4))
expect 0 liere-train "${config[@]}" --output stopped train.epochs=1000 schedule.epochs=2 train.steps="$steps"
says resum
[ "$(newest_step stopped)" = "$steps" ] || fail "the resumed run ended at step $(newest_step stopped), not $steps"
is_file stopped/summary.json stopped/config.yaml stopped/metrics.jsonl

# Undisturbed, with the same figures at every step.
expect 0 liere-train "${config[@]}" --output undisturbed train.epochs=1000 schedule.epochs=2 train.steps="$steps"
figures() { grep -o '"\(event\|step\|loss\|grad_norm\|top1\)":[^,}]*' "$1/metrics.jsonl"; }
diff <(figures stopped) <(figures undisturbed) >"$output" || fail "the stopped and resumed run has other figures than the undisturbed one"
[ "$(figures stopped | grep -c '"train"')" = "$steps" ] || fail "metrics.jsonl does not hold each of $steps steps once"

# A finished run is left as it is; another configuration is refused in its folder; --force moves it aside.
before=$(cksum <stopped/metrics.jsonl)
expect 0 liere-train "${config[@]}" --output stopped train.epochs=1000 schedule.epochs=2 train.steps="$steps"
[ "$(cksum <stopped/metrics.jsonl)" = "$before" ] || fail 'starting a finished run again changed its metrics'
expect 4 liere-train "${config[@]}" --output stopped train.epochs=1000 schedule.epochs=2 train.steps="$steps" seed=7
one_sentence
says seed
expect 0 liere-train "${config[@]}" --output undisturbed --force train.steps=2
[ "$(newest_step undisturbed)" = 2 ] || fail '--force did not start anew'
is_file undisturbed.1/summary.json

# Evaluations and the report.
expect 0 liere-eval --checkpoint stopped --test accuracy,shuffle,resolution eval.limit=64
for test in accuracy shuffle resolution; do is_file "stopped/eval/$test/eval.json"; done
top1=$(value top1 stopped/eval/accuracy/eval.json)
awk -v a="$top1" 'BEGIN { exit !(a >= 0 && a <= 100) }' || fail "top1 in eval.json is '$top1'"
expect 2 liere-eval --checkpoint stopped --test accuracy model.depth=3
one_sentence
says model.depth
expect 0 liere-report stopped undisturbed --output report
says stopped undisturbed
if command -v gnuplot >/dev/null; then is_file report/learning_curves.png report/accuracy_over_size.png; fi
expect 0 liere-data browse --config arrows_tiny_liere.yaml --count 4 --output samples.png
is_file samples.png
