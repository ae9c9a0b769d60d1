#!/usr/bin/env bash
# fetch-ucf101.sh: a download that is cut goes on where it ended, a page in place of an archive and damage are found, what is there is kept, and the programs read it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../e2e/expect.sh
source "$(dirname "$0")/../e2e/expect.sh"
for tool in curl python3; do command -v "$tool" >/dev/null || { echo "skipped: $tool was not found"; exit 0; }; done

mkdir served
made=$("$LIERE_BIN/make_ucf101" served)
[ -z "$made" ] || { echo "skipped: this build has $made"; exit 0; }
printf '<html>not found</html>' >served/page
python3 "$LIERE_SOURCE/tests/fetch/server.py" served >port 2>requests &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 100); do [ -s port ] || sleep 0.1; done
base=http://127.0.0.1:$(<port)
fetch=$LIERE_SOURCE/scripts/fetch-ucf101.sh
export LIERE_DATA=$LIERE_BIN/liere-data no_proxy=127.0.0.1
printf 'data: {kind: ucf101}\n' >ucf101.yaml

expect 0 "$fetch" --help
says --cache LIERE_UCF101_URL
expect 2 "$fetch" --no-such-option
expect 2 "$fetch" a b
LIERE_UCF101_URL=$base/cut expect 3 "$fetch" dest
one_sentence
says 'to go on' RecognitionTask.zip.part
: >requests
LIERE_UCF101_URL=$base expect 0 "$fetch" --cache cache dest
says '4 videos unpacked' '4 videos with 42 frames counted'
grep -q 'RecognitionTask.zip from [1-9]' requests || fail "the download did not go on where it had been cut"
is_file dest/ucf101-frames.index dest/UCF-101/YoYo/v_YoYo_g08_c01.avi cache/UCF-101/YoYo/v_YoYo_g08_c01.avi.frames
: >requests
LIERE_UCF101_URL=$base expect 0 "$fetch" dest
says '0 videos unpacked, 4 were there' '(0 decoded now)'
rm dest/UCF101.rar
LIERE_UCF101_URL=$base expect 0 "$fetch" dest
says '(0 decoded now)'
[ ! -s requests ] || fail "what is there was fetched again"
expect 3 liere-data verify --config ucf101.yaml data.root=dest
says 'frame counts indexed' 'decoded 2' '0 bad' 'the published split has 9,537'
expect 0 liere-data stats --config ucf101.yaml data.root=dest data.cache=cache
says 'frames from cache' 'frames of a video'

LIERE_UCF101_URL=$base/flip expect 3 "$fetch" flipped
one_sentence
mkdir pages
cp served/page 'served/UCF101TrainTestSplits-RecognitionTask.zip'
LIERE_UCF101_URL=$base expect 3 "$fetch" pages
one_sentence
says 'no archive but a page'
[ ! -e pages/UCF101TrainTestSplits-RecognitionTask.zip ] || fail "a page was kept as an archive"
LIERE_UCF101_URL=$base expect 3 "$fetch" ucf101.yaml/below
one_sentence
says 'cannot be made'
