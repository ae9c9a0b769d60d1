#!/usr/bin/env bash
# Fetches the archives of ImageNet (ILSVRC 2012, 155 GB) and has them checked and indexed, so that they are read where they are and nothing is unpacked.
# usage: scripts/fetch-imagenet.sh [--from FOLDER] [--unpack] [DEST]   DEST defaults to data/imagenet, where the configs look
# --from FOLDER takes archives that are there already: ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar, ILSVRC2012_devkit_t12.tar.gz. They stay there.
# Else LIERE_IMAGENET_URL must name the address below which the three are: image-net.org gives it to those who have an account and accepted the terms.
# A download that was cut is resumed. LIERE_IMAGENET_MD5="TRAIN VAL DEVKIT" takes other archives than the published ones; LIERE_DATA names liere-data.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=download.sh
source "$(dirname "${BASH_SOURCE[0]}")/download.sh"

archives=(ILSVRC2012_img_train.tar ILSVRC2012_img_val.tar ILSVRC2012_devkit_t12.tar.gz)
published="1d675b47d978889d74fa0da5fadfb00e 29b22e2961454d5413ddabcf34fc5622 fa75699e90414af021442c21a62c3abf"
read -r -a sums <<<"${LIERE_IMAGENET_MD5:-$published}"

# The program that is named, the installed one, or that of this checkout's newest build.
find_program() {
  local here newest
  here=$(dirname "${BASH_SOURCE[0]}")
  newest=$(find "$here"/../build/*/bin "$here"/../bin -maxdepth 1 -name liere-data -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d ' ' -f 2-)
  newest=${LIERE_DATA:-$(command -v liere-data || echo "$newest")}
  [[ -x $newest ]] || fail "liere-data was not found: build it, or name it in LIERE_DATA; then run $0 again"
  echo "$newest"
}

# fetch FOLDER NUMBER: an archive that is there already is left alone, whatever it holds.
fetch() {
  local file=$1/${archives[$2]} sum=${sums[$2]}
  [[ -f $file ]] && return
  is_archive() { has_md5 "$1" "$sum"; }
  fetch_checked "${LIERE_IMAGENET_URL%/}/${archives[$2]}" "$file" is_archive "does not have the MD5 $sum" "LIERE_IMAGENET_URL and LIERE_IMAGENET_MD5"
}

main() {
  local usage from='' dest='' program i options=()
  usage=$(sed -n '2,6s/^# //p' "$0")
  while [[ $# -gt 0 ]]; do
    case $1 in
      --help | -h) echo "$usage"; return ;;
      --unpack) options+=(--unpack) ;;
      --from) [[ -n ${2:-} ]] || { echo "$usage" >&2; exit 2; }; from=$2; shift ;;
      *) [[ $1 != -* && -z $dest ]] || { echo "$usage" >&2; exit 2; }; dest=$1 ;;
    esac
    shift
  done
  [[ ${#sums[@]} -eq 3 ]] || { echo "error: LIERE_IMAGENET_MD5 holds ${#sums[@]} sums, expected three: train, val, devkit" >&2; exit 2; }
  dest=${dest:-data/imagenet}
  program=$(find_program)
  mkdir -p "$dest" || fail "the folder $dest cannot be made; name another one: $0 DEST"
  if [[ -z $from && -n ${LIERE_IMAGENET_URL:-} ]]; then
    require_tool curl
    for i in 2 1 0; do fetch "$dest" "$i"; done # the small ones first: mistakes show early
  fi
  from=${from:-$dest}
  for i in "${archives[@]}"; do
    [[ -f $from/$i ]] || fail "$from/$i was not found, and ImageNet is given only to people with an account: get the archives from https://image-net.org/download.php and name their folder with --from, or the address below which they are in LIERE_IMAGENET_URL"
  done
  # liere-data compares with the published sums; others are compared here.
  if [[ ${sums[*]} != "$published" ]]; then
    for i in 0 1 2; do has_md5 "$from/${archives[i]}" "${sums[i]}" || fail "$from/${archives[i]} does not have the MD5 ${sums[i]}, which LIERE_IMAGENET_MD5 names"; done
    options+=(--any-version)
  fi
  exec "$program" prepare imagenet --from "$from" --root "$dest" "${options[@]}"
}

main "$@"
