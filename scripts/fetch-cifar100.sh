#!/usr/bin/env bash
# Fetches CIFAR-100 (binary version, 161 MB) from its home and leaves train.bin, test.bin and the class names in a folder.
# usage: scripts/fetch-cifar100.sh [DEST]        DEST defaults to data/cifar100, where the configs look
# A download that was cut is resumed; files that are there already and have the published MD5 are kept.
# LIERE_CIFAR100_URL takes the archive from another address, LIERE_CIFAR100_MD5 another archive (a mirror's repacking).
set -euo pipefail

url=${LIERE_CIFAR100_URL:-https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz}
archive_md5=${LIERE_CIFAR100_MD5:-03b5dce01913d631647c71ecec9e9cb8}
train_md5=6172c7755cfe09b2fe270c85cebc1b15
test_md5=4499cfba6c016c1be1438163640a0898

fail() {
  echo "error: $*" >&2
  exit 3
}

has_md5() { [[ -f $1 && $(md5sum <"$1") == "$2  -" ]]; }
complete() { has_md5 "$1/train.bin" "$train_md5" && has_md5 "$1/test.bin" "$test_md5"; }

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

main() {
  local usage
  usage=$(sed -n '2,5s/^# //p' "$0")
  [[ ${1:-} == --help || ${1:-} == -h ]] && { echo "$usage"; return; }
  [[ $# -le 1 && ${1:-} != -* ]] || { echo "$usage" >&2; exit 2; }
  local dest=${1:-data/cifar100}
  command -v curl >/dev/null || fail "curl was not found; install it with: apt-get install curl"
  mkdir -p "$dest" || fail "the folder $dest cannot be made; name another one: $0 DEST"
  if complete "$dest"; then
    echo "CIFAR-100 is in $dest already (MD5 as published)."
    return
  fi

  local archive=$dest/cifar-100-binary.tar.gz
  unpacked=$dest/.unpacking
  trap 'rm -rf "$unpacked"' EXIT
  if ! has_md5 "$archive" "$archive_md5"; then
    if ! has_md5 "$archive.part" "$archive_md5"; then
      download "$archive.part" || fail "$url could not be fetched (curl code $?); what has come is kept in $archive.part: run $0 again to go on"
    fi
    if ! has_md5 "$archive.part" "$archive_md5"; then
      rm -f "$archive.part"
      fail "the archive from $url does not have the MD5 $archive_md5 and was removed; run $0 again, or check LIERE_CIFAR100_URL"
    fi
    mv -f "$archive.part" "$archive"
  fi

  rm -rf "$unpacked"
  mkdir "$unpacked"
  tar -xzf "$archive" -C "$unpacked" --no-same-owner || fail "$archive cannot be unpacked into $unpacked; is the disk full?"
  complete "$unpacked/cifar-100-binary" || fail "train.bin or test.bin in $archive differs from the published file; remove $archive and run $0 again"
  mv -f "$unpacked"/cifar-100-binary/* "$dest/"
  rm -f "$archive"
  echo "CIFAR-100 is in $dest: 50,000 training and 10,000 test images. Look at them: liere-data browse --config CONFIG data.root=$dest"
}

main "$@"
