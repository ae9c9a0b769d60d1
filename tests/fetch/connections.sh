#!/usr/bin/env bash
# The fetch scripts against a server on this machine that serves made archives, cuts connections, corrupts a byte and cannot continue a download.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../e2e/expect.sh
source "$(dirname "$0")/../e2e/expect.sh"
python=${LIERE_PYTHON:-python3}
for tool in "$python" curl unzip; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool is not here"; exit 0; }
done
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
scripts=$LIERE_SOURCE/scripts

# --- archives: three classes of two pictures, three for validation; noise, so that nothing is compressed away ------------------------------------------------
mkdir served
tree=made/tiny-imagenet-200
for class in n01 n02 n03; do
  mkdir -p "$tree/train/$class/images" "$tree/val/images"
  for i in 0 1; do head -c 1500 /dev/urandom >"$tree/train/$class/images/${class}_$i.JPEG"; done
  head -c 1500 /dev/urandom >"$tree/val/images/val_${class#n0}.JPEG"
  printf 'val_%s.JPEG\t%s\t0\t0\t9\t9\n' "${class#n0}" "$class" >>"$tree/val/val_annotations.txt"
done
pack() { # pack ZIP FOLDER
  "$python" -c 'import shutil, sys; shutil.make_archive(sys.argv[1][:-4], "zip", sys.argv[2])' "$1" "$2"
}
pack "$PWD/served/tiny.zip" made
rm "$tree/val/images/val_2.JPEG"
pack "$PWD/served/short.zip" made
printf 'no archive, but it has the MD5 that is asked for' >served/words.zip
for name in ILSVRC2012_img_train.tar ILSVRC2012_img_val.tar ILSVRC2012_devkit_t12.tar.gz; do head -c 9000 /dev/urandom >"served/$name"; done
md5_of() { md5sum <"served/$1" | cut -d ' ' -f 1; }

"$python" "$LIERE_SOURCE/tests/fetch/flaky_server.py" served port requests.txt &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
for _ in $(seq 100); do [ -s port ] || sleep 0.1; done
is_file port
address=http://127.0.0.1:$(cat port)

# --- Tiny ImageNet --------------------------------------------------------------------------------------------------------------------------------------------
tiny() { # tiny CODE MANNER/FILE DEST [MD5 OF]
  expect "$1" env LIERE_TINY_IMAGENET_URL="$address/$2" LIERE_TINY_IMAGENET_MD5="$(md5_of "${4:-$(basename "$2")}")" LIERE_TINY_IMAGENET_COUNTS='3 6 3' "$scripts/fetch-tiny-imagenet.sh" "$3"
}
same_tree() { diff -r "$1" "$2" >"$output" 2>&1 || fail "$1 is not the archive's content"; }
mkdir whole && (cd whole && unzip -q ../served/tiny.zip)

tiny 0 good/tiny.zip good
says '3 classes, 6 training and 3 validation pictures' good
same_tree good whole/tiny-imagenet-200 # and neither archive nor unpacked rest beside it
: >requests.txt
tiny 0 good/tiny.zip good
says already
[ ! -s requests.txt ] || fail 'a complete set was fetched again'

# Each try gets 4,000 bytes more; the last one the rest, from where the one before ended.
size=$(stat -c %s served/tiny.zip) kept=0
while [ $((kept + 4000)) -lt "$size" ]; do
  tiny 3 cut/tiny.zip cut
  one_sentence
  says 'run' 'to go on' tiny-imagenet-200.zip.part
  kept=$((kept + 4000))
  [ "$(stat -c %s cut/tiny-imagenet-200.zip.part)" = "$kept" ] || fail "the part that came was not kept: $kept bytes were expected"
  [ ! -e cut/train ] || fail 'half an archive was unpacked'
done
[ "$kept" -ge 8000 ] || fail 'the archive is too small for this test'
tiny 0 cut/tiny.zip cut
same_tree cut whole/tiny-imagenet-200
[ "$(tail -n 1 requests.txt)" = "/cut/tiny.zip bytes=$kept-" ] || fail "the last request was not for the rest: $(tail -n 1 requests.txt)"

tiny 3 corrupt/tiny.zip corrupt
one_sentence
says MD5 removed
[ -z "$(ls corrupt)" ] || fail 'a corrupted archive was kept'
tiny 0 good/tiny.zip corrupt
same_tree corrupt whole/tiny-imagenet-200

# A server that cannot continue: what is there is thrown away, and all of it fetched.
mkdir anew
head -c 4000 /dev/urandom >anew/tiny-imagenet-200.zip.part
tiny 0 norange/tiny.zip anew
same_tree anew whole/tiny-imagenet-200

tiny 3 good/short.zip short
one_sentence
says 'but 3 classes, 6 training and 2 validation pictures'
[ ! -e short/train ] || fail 'an incomplete set was left'
tiny 3 good/words.zip words
says 'cannot be unpacked'
tiny 3 good/absent.zip absent tiny.zip
one_sentence
says 'could not be fetched' absent.zip
mkdir -p mine/train/cats
tiny 3 good/tiny.zip mine
one_sentence
says mine 'holds train/' 'another folder'
[ -d mine/train/cats ] || fail 'a folder of someone else was removed'
expect 2 "$scripts/fetch-tiny-imagenet.sh" one two
expect 0 "$scripts/fetch-tiny-imagenet.sh" --help
says LIERE_TINY_IMAGENET_URL

# --- ImageNet: liere-data is stood in for, what it is called with counts --------------------------------------------------------------------------------------
mkdir stand_in
printf '#!/bin/sh\necho "called with: $*"\n' >stand_in/liere-data
chmod +x stand_in/liere-data
PATH=$PWD/stand_in:$PATH
sums="$(md5_of ILSVRC2012_img_train.tar) $(md5_of ILSVRC2012_img_val.tar) $(md5_of ILSVRC2012_devkit_t12.tar.gz)"
imagenet() { # imagenet CODE MANNER DEST
  expect "$1" env LIERE_IMAGENET_URL="$address/$2/" LIERE_IMAGENET_MD5="$sums" "$scripts/fetch-imagenet.sh" "$3"
}
expect 3 "$scripts/fetch-imagenet.sh" without
one_sentence
says ILSVRC2012_img_train.tar account --from LIERE_IMAGENET_URL
imagenet 0 good imagenet
says 'called with: prepare imagenet --from imagenet --root imagenet --any-version'
for name in ILSVRC2012_img_train.tar ILSVRC2012_img_val.tar ILSVRC2012_devkit_t12.tar.gz; do cmp -s "served/$name" "imagenet/$name" || fail "$name differs"; done
for bytes in 4000 8000; do
  imagenet 3 cut imagenet_cut
  one_sentence
  [ "$(stat -c %s imagenet_cut/ILSVRC2012_devkit_t12.tar.gz.part)" = "$bytes" ] || fail "$bytes bytes were expected"
done
imagenet 0 good imagenet_cut
for name in ILSVRC2012_img_train.tar ILSVRC2012_img_val.tar ILSVRC2012_devkit_t12.tar.gz; do cmp -s "served/$name" "imagenet_cut/$name" || fail "$name differs"; done
imagenet 3 corrupt imagenet_corrupt
one_sentence
says MD5 removed
# An archive that was there before is never removed, not even one with another sum.
mkdir imagenet_mine
head -c 700 /dev/urandom >imagenet_mine/ILSVRC2012_img_val.tar
cp imagenet_mine/ILSVRC2012_img_val.tar mine.tar
imagenet 3 good imagenet_mine
one_sentence
says imagenet_mine/ILSVRC2012_img_val.tar 'does not have the MD5'
cmp -s mine.tar imagenet_mine/ILSVRC2012_img_val.tar || fail 'an archive of someone else was touched'
expect 0 "$scripts/fetch-imagenet.sh" --from served elsewhere
says 'called with: prepare imagenet --from served --root elsewhere'
! grep -q any-version "$output" || fail 'the published MD5 would not be compared'
expect 2 env LIERE_IMAGENET_MD5='1 2' "$scripts/fetch-imagenet.sh" --from served elsewhere
one_sentence

# --- CIFAR-100 goes on in the same manner; an archive with other contents is refused -------------------------------------------------------------------------------
mkdir -p cifar/cifar-100-binary
head -c 9000 /dev/urandom >cifar/cifar-100-binary/train.bin
cp cifar/cifar-100-binary/train.bin cifar/cifar-100-binary/test.bin
tar -czf served/cifar.tar.gz -C cifar cifar-100-binary
cifar() { expect "$1" env LIERE_CIFAR100_URL="$address/$2/cifar.tar.gz" LIERE_CIFAR100_MD5="$(md5_of cifar.tar.gz)" "$scripts/fetch-cifar100.sh" cifar100; }
cifar 3 cut
one_sentence
says 'to go on'
cifar 3 corrupt # goes on after the 4,000 bytes that came; the changed byte is among the rest
says MD5 removed
cifar 3 good
one_sentence
says 'differs from the published file'
echo "fetched, resumed, refused: all as expected"
