#!/usr/bin/env bash
# Fetches CIFAR-100 (binary version, 161 MB) from its home and leaves train.bin, test.bin and the class names in a folder.
# usage: scripts/fetch-cifar100.sh [DEST]        DEST defaults to data/cifar100, where the configs look
# A download that was cut is resumed; files that are there already and have the published MD5 are kept.
# LIERE_CIFAR100_URL takes the archive from another address, LIERE_CIFAR100_MD5 another archive (a mirror's repacking).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=download.sh
source "$(dirname "${BASH_SOURCE[0]}")/download.sh"

url=${LIERE_CIFAR100_URL:-https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz}
archive_md5=${LIERE_CIFAR100_MD5:-03b5dce01913d631647c71ecec9e9cb8}
train_md5=6172c7755cfe09b2fe270c85cebc1b15
test_md5=4499cfba6c016c1be1438163640a0898

is_archive() { has_md5 "$1" "$archive_md5"; }
complete() { has_md5 "$1/train.bin" "$train_md5" && has_md5 "$1/test.bin" "$test_md5"; }

main() {
  local usage
  usage=$(sed -n '2,5s/^# //p' "$0")
  [[ ${1:-} == --help || ${1:-} == -h ]] && { echo "$usage"; return; }
  [[ $# -le 1 && ${1:-} != -* ]] || { echo "$usage" >&2; exit 2; }
  local dest=${1:-data/cifar100}
  require_tool curl
  mkdir -p "$dest" || fail "the folder $dest cannot be made; name another one: $0 DEST"
  if complete "$dest"; then
    echo "CIFAR-100 is in $dest already (MD5 as published)."
    return
  fi

  local archive=$dest/cifar-100-binary.tar.gz
  unpacked=$dest/.unpacking
  trap 'rm -rf "$unpacked"' EXIT
  fetch_checked "$url" "$archive" is_archive "does not have the MD5 $archive_md5" LIERE_CIFAR100_URL
  rm -rf "$unpacked"
  mkdir "$unpacked"
  tar -xzf "$archive" -C "$unpacked" --no-same-owner || fail "$archive cannot be unpacked into $unpacked; is the disk full?"
  complete "$unpacked/cifar-100-binary" || fail "train.bin or test.bin in $archive differs from the published file; remove $archive and run $0 again"
  mv -f "$unpacked"/cifar-100-binary/* "$dest/"
  rm -f "$archive"
  echo "CIFAR-100 is in $dest: 50,000 training and 10,000 test images. Look at them: liere-data browse --config CONFIG data.root=$dest"
}

main "$@"
