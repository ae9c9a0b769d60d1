#!/usr/bin/env bash
# What a trained model is asked: every test of liere-eval, results recalled from disk, comparisons, and Ctrl-C in between.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"

tests='accuracy shuffle resolution random-rotations orthogonality gradients attention per-class confusion calibration predict'
train=(liere-train --config arrows_tiny_liere.yaml threads=1 loader.workers=1 train.steps=8)
few=(eval.limit=100 eval.shuffle_seeds=2 eval.resamples=200 threads=1)
expect 0 "${train[@]}" --output a
expect 0 "${train[@]}" --output b seed=1

# The list of tests, with the help as well.
expect 0 liere-eval --test list
# shellcheck disable=SC2086
says $tests
expect 0 liere-eval --help
# shellcheck disable=SC2086
says $tests compare --fresh

# All tests in one call.
expect 0 liere-eval --checkpoint a --test "${tests// /,}" "${few[@]}" --json all.json
says 'top-1 %' '95 % interval' 'relative drop %' 'ECE %' 'R^T R' 'the same for all tokens'
for test in $tests; do is_file "a/eval/$test/eval.json"; done
is_file all.json a/eval/accuracy/samples.csv a/eval/predict/predictions.csv a/eval/per-class/per_class.csv a/eval/confusion/confusion.csv
if command -v gnuplot >/dev/null; then is_file a/eval/confusion/confusion.png a/eval/calibration/reliability.png; fi
[ "$(wc -l <a/eval/accuracy/samples.csv)" = 101 ] || fail 'samples.csv does not hold 100 samples'
[ -z "$(find a/eval -name '*.tmp*' -o -name '*.partial')" ] || fail 'temporary files were left behind'
top1=$(value top1 a/eval/accuracy/eval.json)
read -r low high < <(tr -d ' \n' <a/eval/accuracy/eval.json | grep -o '"top1_interval":\[[^]]*' | tr -c '0-9.e\n-' ' ' | awk '{ print $(NF - 1), $NF }')
awk -v a="$top1" -v low="$low" -v high="$high" 'BEGIN { exit !(0 <= low && low <= a && a <= high && high <= 100) }' || fail "top-1 $top1 is not within its interval $low .. $high"

# Asked again: from disk, the file untouched; --fresh and other keys evaluate.
before=$(cksum <a/eval/accuracy/eval.json)
expect 0 liere-eval --checkpoint a --test accuracy "${few[@]}"
says cached
[ "$(cksum <a/eval/accuracy/eval.json)" = "$before" ] || fail 'a recalled result was written again'
expect 0 liere-eval --checkpoint a --test accuracy "${few[@]}" --fresh
! grep -q cached "$output" || fail '--fresh took the stored result'
[ "$(value top1 a/eval/accuracy/eval.json)" = "$top1" ] || fail '--fresh gave another top-1'
expect 0 liere-eval --checkpoint a --test accuracy "${few[@]}" eval.limit=60 --output elsewhere
is_file elsewhere/eval.json
printf 'x' >>a/eval/accuracy/samples.csv
expect 0 liere-eval --checkpoint a --test accuracy "${few[@]}"
! grep -q cached "$output" || fail 'a damaged samples.csv was taken for a result'

# Everything of the paper, of two runs.
expect 0 liere-eval --checkpoint a,b --suite paper "${few[@]}"
says cached 'spread over patches' 'of the generators'
is_file b/eval/attention/attention.png b/eval/gradients/eval.json
expect 2 liere-eval --checkpoint a --suite paper --test accuracy
expect 2 liere-eval --checkpoint a --suite all
one_sentence

# Mistakes.
expect 2 liere-eval --checkpoint a --test detection
one_sentence
says 'two classes'
expect 2 liere-eval --checkpoint a --test acuracy
one_sentence
says "'accuracy'"
expect 2 liere-eval --checkpoint a eval.wieghts=ema
one_sentence
says weights
expect 4 liere-eval --checkpoint a eval.weights=ema
one_sentence
says eval.weights=raw
expect 2 liere-eval compare a
expect 3 liere-eval compare a nowhere
one_sentence
says nowhere

# Comparisons: with itself nothing, with the other seed its difference, with other samples refused.
expect 0 liere-eval --checkpoint b "${few[@]}"
expect 0 liere-eval compare a a --resamples 200
says 'two runs, not two methods' McNemar
expect 0 liere-eval compare a b --resamples 200 --json ab.json
difference=$(value difference ab.json)
expect 0 liere-eval compare b a --resamples 200 --json ba.json
awk -v ab="$difference" -v ba="$(value difference ba.json)" 'BEGIN { exit !(ab + ba < 1e-9 && ab + ba > -1e-9) }' || fail 'the comparison turned around is not the opposite'
expect 0 liere-eval compare a,b b,a --resamples 200
says 'mean over the evaluations'
expect 3 liere-eval compare a elsewhere
one_sentence
says eval.limit

# Ctrl-C: exit 75, nothing half written. (A shell starts its background jobs with SIGINT ignored: reset it.)
last='liere-eval, then SIGINT'
env --default-signal=INT liere-eval --checkpoint a --test shuffle --output stopped threads=1 eval.shuffle_seeds=100000 eval.batch_size=20 >"$output" 2>&1 </dev/null &
pid=$!
for _ in $(seq 300); do
  if grep -q shuffled "$output"; then break; fi
  kill -0 "$pid" 2>/dev/null || fail 'the evaluation ended before it was stopped'
  sleep 0.1
done
kill -INT "$pid"
code=0
wait "$pid" || code=$?
[ "$code" = 75 ] || fail "exit code $code after SIGINT, 75 was expected"
one_sentence
[ ! -e stopped ] || fail 'a stopped test left files'
