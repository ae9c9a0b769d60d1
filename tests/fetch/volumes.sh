#!/usr/bin/env bash
# liere-data prepare rsna | volumes as a person runs it: help, exit codes, a zip made by another program, a stop and going on.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../e2e/expect.sh
source "$(dirname "$0")/../e2e/expect.sh"

"$LIERE_BIN/make_volumes" from 40
head -c 32 /dev/zero >salt
prepare=(liere-data prepare rsna --size '16,64,64' --salt-file salt)

expect 0 liere-data prepare rsna --help
says --from --root --size --spacing --validation --test --folds --seed --salt-file --workers
expect 0 liere-data prepare volumes --help
says --labels
expect 2 liere-data prepare rsna --from from
one_sentence
expect 2 "${prepare[@]}" --from from --root root --spacing cube
one_sentence
says 'iso:1.0'
expect 3 "${prepare[@]}" --from nowhere --root root
one_sentence
says 'which is not there'

expect 0 "${prepare[@]}" --from from --root root
says '40 of 40 series of 240 files' 'majority baseline' 'left out: nothing' 'data.root=root'
is_file root/manifest.json root/findings.json
[ "$(find root/sheets -name '*.png' | wc -l)" = 8 ] || fail 'expected eight contact sheets'
expect 2 "${prepare[@]}" --from from --root root --seed 1
one_sentence
says 'remove manifest.json'
expect 2 liere-data prepare rsna --from from --root root --salt-file salt --size 16,64,32
one_sentence
says 'another --root'
expect 3 liere-data prepare volumes --from from/stage_2_train.csv --root other
one_sentence
says 'expected a zip archive'
expect 0 liere-data prepare volumes --from from/stage_2_train --root unlabelled --size 4,8,8
says 'no labels' '40 of 40 series'
! grep -r -l -a -E 'Secret|ID_10' root unlabelled || fail 'an identifier was written'

# Stopped at once, and gone on with.
env --default-signal=INT "${prepare[@]}" --from from --root stopped --workers 1 >log 2>&1 &
pid=$!
until [ -s stopped/prepare.journal ] || ! kill -0 $pid 2>/dev/null; do sleep 0.005; done
kill -INT $pid 2>/dev/null || true
code=0
wait $pid || code=$?
[ $code = 75 ] || [ $code = 0 ] || fail "a stopped prepare ends with $code"
[ $code = 0 ] || grep -q 'run the same command again' log || fail 'a stopped prepare does not say how to go on'
expect 0 "${prepare[@]}" --from from --root stopped
# The manifest names no folder.
diff -r -q -x prepare.journal root stopped || fail 'a prepare that was stopped ends otherwise'

command -v python3 >/dev/null || { echo "skipped: python3 was not found"; exit 0; }
(cd from && python3 -m zipfile -c ../rsna.zip stage_2_train stage_2_train.csv)
expect 0 "${prepare[@]}" --from rsna.zip --root zipped
diff -r -q -x prepare.journal root zipped || fail 'a zip gives another set than its folder'
head -c 100000 rsna.zip >cut.zip
expect 3 "${prepare[@]}" --from cut.zip --root cut
one_sentence
says 'it was cut or is no zip'
