#!/usr/bin/env bash
# Fetches Tiny ImageNet (Stanford CS231N; 248 MB packed, 110,000 labelled pictures of 64x64 in 200 classes) from its home and unpacks it.
# usage: scripts/fetch-tiny-imagenet.sh [DEST]        DEST defaults to data/tiny-imagenet-200, where data.root looks with data.kind=folder
# A download that was cut is resumed. No checksum is published: the archive's own sums and the numbers of classes and pictures are checked.
# LIERE_TINY_IMAGENET_URL takes the archive from another address, LIERE_TINY_IMAGENET_COUNTS="CLASSES TRAIN VAL" another archive.
set -euo pipefail

url=${LIERE_TINY_IMAGENET_URL:-http://cs231n.stanford.edu/tiny-imagenet-200.zip}
read -r classes train val <<<"${LIERE_TINY_IMAGENET_COUNTS:-200 100000 10000}"

fail() {
  echo "error: $*" >&2
  exit 3
}

count() { find "$1" -type f -name '*.JPEG' 2>/dev/null | wc -l; }
complete() {
  [[ -s $1/val/val_annotations.txt && $(find "$1/train" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | wc -l) -eq $classes ]] &&
    [[ $(count "$1/train") -eq $train && $(count "$1/val/images") -eq $val && $(grep -c . "$1/val/val_annotations.txt") -eq $val ]]
}

# Continues the file where it ends. curl's code 33 and HTTP status 416 mean that the server cannot continue it: then it is fetched anew.
download() {
  local partial=$1 code=0 status
  local options=(--fail --location --silent --show-error --retry 3 --retry-delay 2 --write-out '%{http_code}' --output "$partial")
  [[ -t 2 ]] && options+=(--no-silent --progress-bar)
  status=$(curl "${options[@]}" --continue-at - "$url") || code=$?
  if [[ $code -eq 33 || $status == 416 ]]; then
    rm -f "$partial"
    code=0
    curl "${options[@]}" "$url" >/dev/null || code=$?
  fi
  return "$code"
}

# A whole archive, by the checksum that a zip keeps of each of its files.
sound() { [[ -s $1 ]] && unzip -tqq "$1" >/dev/null 2>&1; }

main() {
  local usage
  usage=$(sed -n '2,5s/^# //p' "$0")
  [[ ${1:-} == --help || ${1:-} == -h ]] && { echo "$usage"; return; }
  [[ $# -le 1 && ${1:-} != -* ]] || { echo "$usage" >&2; exit 2; }
  local dest=${1:-data/tiny-imagenet-200} tool
  for tool in curl unzip; do command -v "$tool" >/dev/null || fail "$tool was not found; install it with: apt-get install $tool"; done
  mkdir -p "$dest" || fail "the folder $dest cannot be made; name another one: $0 DEST"
  if complete "$dest"; then
    echo "Tiny ImageNet is in $dest already ($classes classes, $train training and $val validation pictures)."
    return
  fi

  local archive=$dest/tiny-imagenet-200.zip
  unpacked=$dest/.unpacking
  trap 'rm -rf "$unpacked"' EXIT
  if ! sound "$archive"; then
    if ! sound "$archive.part"; then
      download "$archive.part" || fail "$url could not be fetched (curl code $?); what has come is kept in $archive.part: run $0 again to go on"
    fi
    if ! sound "$archive.part"; then
      rm -f "$archive.part"
      fail "the archive from $url is damaged (a file in it does not have its checksum) and was removed; run $0 again, or check LIERE_TINY_IMAGENET_URL"
    fi
    mv -f "$archive.part" "$archive"
  fi

  rm -rf "$unpacked"
  mkdir "$unpacked"
  unzip -q "$archive" -d "$unpacked" || fail "$archive cannot be unpacked into $unpacked; is the disk full?"
  complete "$unpacked/tiny-imagenet-200" ||
    fail "$archive does not hold $classes classes, $train training and $val validation pictures with their labels; remove it and run $0 again"
  local part
  for part in train val; do rm -rf "${dest:?}/$part"; done
  mv -f "$unpacked"/tiny-imagenet-200/* "$dest/"
  rm -f "$archive"
  echo "Tiny ImageNet is in $dest: $classes classes, $train training and $val validation pictures. Look at them: liere-data browse --config CONFIG data.kind=folder data.root=$dest"
}

main "$@"
