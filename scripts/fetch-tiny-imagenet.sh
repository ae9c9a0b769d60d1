#!/usr/bin/env bash
# Fetches Tiny ImageNet (tiny-imagenet-200.zip, 248 MB) from its home and leaves train/, val/ and test/ in a folder.
# usage: scripts/fetch-tiny-imagenet.sh [DEST]   DEST defaults to data/tiny-imagenet-200, where the configs look
# A download that was cut is resumed; a set that is there already and complete is kept.
# LIERE_TINY_IMAGENET_URL takes the archive from another address; LIERE_TINY_IMAGENET_COUNTS="CLASSES TRAIN VAL", and LIERE_TINY_IMAGENET_MD5 if it is known, take
# another archive. Its home publishes no checksum: the MD5 is the one that the loaders of others carry; the numbers of files are compared, too.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=download.sh
source "$(dirname "${BASH_SOURCE[0]}")/download.sh"

url=${LIERE_TINY_IMAGENET_URL:-http://cs231n.stanford.edu/tiny-imagenet-200.zip}
wanted=${LIERE_TINY_IMAGENET_COUNTS:-200 100000 10000}
archive_md5=${LIERE_TINY_IMAGENET_MD5:-}
[[ -n $archive_md5 || -n ${LIERE_TINY_IMAGENET_COUNTS:-} ]] || archive_md5=90528d7ca1a48142e341f4ef8d21d0de
wrong="is damaged (a file in it does not have its checksum)"
[[ -z $archive_md5 ]] || wrong="is damaged or another one (it does not have the MD5 $archive_md5)"

# By its MD5, or where that is not known by the checksum that a zip keeps of each of its files.
is_archive() { if [[ -n $archive_md5 ]]; then has_md5 "$1" "$archive_md5"; else unzip -tqq "$1" >/dev/null 2>&1; fi; }

# counts FOLDER: classes, training pictures, validation pictures that are there and have a row in the list.
counts() {
  local classes=0 train=0 val=0
  if [[ -d $1/train ]]; then
    classes=$(find "$1/train" -mindepth 1 -maxdepth 1 -type d | wc -l)
    train=$(find "$1/train" -name '*.JPEG' -size +0 | wc -l)
  fi
  if [[ -d $1/val/images && -f $1/val/val_annotations.txt ]]; then
    val=$(comm -12 <(cut -f 1 "$1/val/val_annotations.txt" | sort -u) <(find "$1/val/images" -name '*.JPEG' -size +0 -printf '%f\n' | sort) | wc -l)
  fi
  echo "$classes $train $val"
}

in_words() {
  local classes train val
  read -r classes train val <<<"$1"
  echo "$classes classes, $train training and $val validation pictures"
}

main() {
  local usage
  usage=$(sed -n '2,6s/^# //p' "$0")
  [[ ${1:-} == --help || ${1:-} == -h ]] && { echo "$usage"; return; }
  [[ $# -le 1 && ${1:-} != -* ]] || { echo "$usage" >&2; exit 2; }
  local dest=${1:-data/tiny-imagenet-200} archive entry
  require_tool curl
  require_tool unzip
  mkdir -p "$dest" || fail "the folder $dest cannot be made; name another one: $0 DEST"
  if [[ $(counts "$dest") == "$wanted" ]]; then
    echo "Tiny ImageNet is in $dest already ($(in_words "$wanted"))."
    return
  fi
  for entry in train val test; do
    [[ ! -e $dest/$entry ]] || fail "$dest holds $entry/, but not all of Tiny ImageNet ($(in_words "$(counts "$dest")"), expected $(in_words "$wanted")); remove train/, val/ and test/ there, or name another folder: $0 DEST"
  done

  archive=$dest/tiny-imagenet-200.zip
  unpacked=$dest/.unpacking
  trap 'rm -rf "$unpacked"' EXIT
  fetch_checked "$url" "$archive" is_archive "$wrong" "LIERE_TINY_IMAGENET_URL and LIERE_TINY_IMAGENET_MD5"
  rm -rf "$unpacked"
  mkdir "$unpacked"
  unzip -q "$archive" -d "$unpacked" || fail "$archive cannot be unpacked into $unpacked; is the disk full?"
  local found
  found=$(counts "$unpacked/tiny-imagenet-200")
  [[ $found == "$wanted" ]] || fail "$archive does not hold $(in_words "$wanted"), but $(in_words "$found"); remove it and run $0 again"
  mv "$unpacked"/tiny-imagenet-200/* "$dest/"
  rm -f "$archive"
  echo "Tiny ImageNet is in $dest: $(in_words "$wanted"). Look at them: liere-data browse --config CONFIG data.kind=folder data.root=$dest"
}

main "$@"
