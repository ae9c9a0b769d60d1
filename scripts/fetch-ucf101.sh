#!/usr/bin/env bash
# Fetches UCF101 (UCF101.rar, 6.5 GB, and the official lists) from its home, unpacks it and counts the frames of every video.
# usage: scripts/fetch-ucf101.sh [--cache FOLDER] [DEST]   DEST defaults to data/ucf101, where the configs look (15 GB with the archive, which may be removed at the end)
# --cache FOLDER keeps the decoded frames too (about 270 GiB). A download that was cut is resumed; what is unpacked and counted already is kept.
# LIERE_UCF101_URL names another address below which the two archives are; LIERE_DATA names liere-data. No checksum is published: each file in the archives has its own,
# which unpacking compares. Where curl does not accept the site's certificate, its chain is incomplete: see the message.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=download.sh
source "$(dirname "${BASH_SOURCE[0]}")/download.sh"

url=${LIERE_UCF101_URL:-https://www.crcv.ucf.edu/data/UCF101}
archives=(UCF101TrainTestSplits-RecognitionTask.zip UCF101.rar)

# The program that is named, the installed one, or that of this checkout's newest build.
find_program() {
  local here newest
  here=$(dirname "${BASH_SOURCE[0]}")
  newest=$(find "$here"/../build/*/bin "$here"/../bin -maxdepth 1 -name liere-data -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d ' ' -f 2-)
  newest=${LIERE_DATA:-$(command -v liere-data || echo "$newest")}
  [[ -x $newest ]] || fail "liere-data was not found: build it, or name it in LIERE_DATA; then run $0 again"
  echo "$newest"
}

# fetch FILE: complete when curl has had as many bytes as the server announced.
fetch() {
  local file=$1 code=0
  [[ ! -f $file ]] || return 0
  download "${url%/}/${file##*/}" "$file.part" || code=$?
  [[ $code -ne 60 ]] || fail "the certificate of ${url%/} is not accepted (curl code 60): the site does not send its whole chain. Fetch ${file##*/} with a browser into ${file%/*}/, or name a file with the missing certificate in CURL_CA_BUNDLE; then run $0 again"
  [[ $code -eq 0 ]] || fail "${url%/}/${file##*/} could not be fetched (curl code $code); what has come is kept in $file.part: run $0 again to go on"
  if [[ ! -s $file.part || $(head -c 1 "$file.part") == '<' ]]; then
    rm -f "$file.part"
    fail "${url%/}/${file##*/} is no archive but a page or nothing, and was removed; check LIERE_UCF101_URL"
  fi
  mv -f "$file.part" "$file"
}

main() {
  local usage dest='' program name options=()
  usage=$(sed -n '2,7s/^# //p' "$0")
  while [[ $# -gt 0 ]]; do
    case $1 in
      --help | -h) echo "$usage"; return ;;
      --cache) [[ -n ${2:-} ]] || { echo "$usage" >&2; exit 2; }; options+=(--cache "$2"); shift ;;
      -*) echo "$usage" >&2; exit 2 ;;
      *) [[ -z $dest ]] || { echo "$usage" >&2; exit 2; }; dest=$1 ;;
    esac
    shift
  done
  dest=${dest:-data/ucf101}
  require_tool curl
  program=$(find_program)
  mkdir -p "$dest" 2>/dev/null || fail "the folder $dest cannot be made; name another one: $0 DEST"
  # With the index there and the archive removed, all was unpacked before.
  if [[ ! -f $dest/ucf101-frames.index || -f $dest/${archives[1]} ]]; then
    for name in "${archives[@]}"; do fetch "$dest/$name"; done
  fi
  exec "$program" prepare ucf101 --from "$dest" --root "$dest" "${options[@]}"
}

main "$@"
