#!/usr/bin/env bash
# fetch-imagenet.sh and fetch-tiny-imagenet.sh: a download that is cut goes on where it ended, a changed byte is found, what is there is kept, and the programs read it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../e2e/expect.sh
source "$(dirname "$0")/../e2e/expect.sh"
for tool in curl unzip python3; do command -v "$tool" >/dev/null || { echo "skipped: $tool was not found"; exit 0; }; done

mkdir served
"$LIERE_BIN/make_archives" served
(cd served && python3 -m zipfile -c tiny-imagenet-200.zip tiny-imagenet-200)
python3 "$LIERE_SOURCE/tests/fetch/server.py" served >port 2>requests &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 100); do [ -s port ] || sleep 0.1; done
base=http://127.0.0.1:$(<port)
imagenet=$LIERE_SOURCE/scripts/fetch-imagenet.sh tiny=$LIERE_SOURCE/scripts/fetch-tiny-imagenet.sh
export LIERE_DATA=$LIERE_BIN/liere-data no_proxy=127.0.0.1
printf 'data: {kind: imagenet}\n' >imagenet.yaml
printf 'data: {kind: folder}\n' >folder.yaml

# ImageNet: without an address or archives, with the published sums, with ours.
expect 0 "$imagenet" --help
says --from LIERE_IMAGENET_URL
expect 2 "$imagenet" --no-such-option
expect 3 "$imagenet" dest
one_sentence
says account --from LIERE_IMAGENET_URL
expect 3 "$imagenet" --from served dest
one_sentence
says 'fa75699e90414af021442c21a62c3abf' --any-version
sums=$(for name in img_train.tar img_val.tar devkit_t12.tar.gz; do md5sum <"served/ILSVRC2012_$name" | cut -d' ' -f1; done | paste -sd' ')
export LIERE_IMAGENET_MD5=$sums
LIERE_IMAGENET_URL=$base/cut expect 3 "$imagenet" dest
one_sentence
says 'run' 'to go on' ILSVRC2012_devkit_t12.tar.gz.part
is_file dest/ILSVRC2012_devkit_t12.tar.gz.part
: >requests
LIERE_IMAGENET_URL=$base expect 0 "$imagenet" dest
says '80 training and 3 validation pictures of 2 classes'
grep -q 'devkit_t12.tar.gz from [1-9]' requests || fail "the download did not go on where it had been cut"
: >requests
LIERE_IMAGENET_URL=$base expect 0 "$imagenet" dest
[ ! -s requests ] || fail "archives that are there were fetched again"
LIERE_IMAGENET_URL=$base/flip expect 3 "$imagenet" changed
one_sentence
says 'does not have the MD5' removed
[ ! -e changed/ILSVRC2012_devkit_t12.tar.gz ] || fail "the damaged archive was kept"
head -c 100 served/ILSVRC2012_devkit_t12.tar.gz >changed/ILSVRC2012_devkit_t12.tar.gz.part
LIERE_IMAGENET_URL=$base/whole expect 0 "$imagenet" --unpack changed
is_file changed/train/n02/n02_1.JPEG
expect 0 "$imagenet" --from served placed
is_file placed/imagenet-train.index
expect 3 liere-data verify --config imagenet.yaml data.root=placed --json report.json
says 'published split has 1,281,167' 'decoded 80 pictures, 0 bad'
expect 0 liere-data stats --config imagenet.yaml data.root=placed
says 'least / median / most'
expect 0 liere-data browse --config imagenet.yaml data.root=changed --output sheet.png
is_file sheet.png report.json
LIERE_IMAGENET_URL=$base expect 3 "$imagenet" imagenet.yaml/below
one_sentence
says "cannot be made"

# Tiny ImageNet has no published sum: the archive's own are checked, and the counts.
export LIERE_TINY_IMAGENET_COUNTS='2 4 2'
LIERE_TINY_IMAGENET_URL=$base/cut/tiny-imagenet-200.zip expect 3 "$tiny" tiny
one_sentence
says 'to go on'
: >requests
LIERE_TINY_IMAGENET_URL=$base/tiny-imagenet-200.zip expect 0 "$tiny" tiny
says '2 classes, 4 training and 2 validation'
grep -q 'tiny-imagenet-200.zip from [1-9]' requests || fail "the download did not go on where it had been cut"
: >requests
LIERE_TINY_IMAGENET_URL=$base/tiny-imagenet-200.zip expect 0 "$tiny" tiny
says already
[ ! -s requests ] || fail "what is there was fetched again"
expect 0 liere-data verify --config folder.yaml data.root=tiny
says 'decoded 4 pictures, 0 bad' 'flat folder with val_annotations.txt'
LIERE_TINY_IMAGENET_URL=$base/flip/tiny-imagenet-200.zip expect 3 "$tiny" flipped
one_sentence
says damaged removed
LIERE_TINY_IMAGENET_COUNTS='2 4 3' LIERE_TINY_IMAGENET_URL=$base/tiny-imagenet-200.zip expect 3 "$tiny" wrong
one_sentence
says 'does not hold 2 classes'
