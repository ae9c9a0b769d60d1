#!/usr/bin/env bash
# Fetches the archives of ImageNet (ILSVRC 2012, 155 GB) and has them checked and indexed, so that they are read where they are and nothing is unpacked.
# usage: scripts/fetch-imagenet.sh [--from FOLDER] [DEST]   DEST defaults to data/imagenet, where the configs look
# --from FOLDER takes archives that are there already: ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar, ILSVRC2012_devkit_t12.tar.gz. They stay there.
# Else LIERE_IMAGENET_URL must name the address below which the three are: image-net.org gives it to those who have an account and accepted the terms.
# A download that was cut is resumed. LIERE_IMAGENET_MD5 ("TRAIN VAL DEVKIT") takes other archives than the published ones.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=download.sh
source "$(dirname "${BASH_SOURCE[0]}")/download.sh"

archives=(ILSVRC2012_img_train.tar ILSVRC2012_img_val.tar ILSVRC2012_devkit_t12.tar.gz)
published="1d675b47d978889d74fa0da5fadfb00e 29b22e2961454d5413ddabcf34fc5622 fa75699e90414af021442c21a62c3abf"
read -r -a sums <<<"${LIERE_IMAGENET_MD5:-$published}"

# The program beside this checkout's newest build, or the installed one.
find_program() {
  local newest
  newest=$(find "$(dirname "${BASH_SOURCE[0]}")"/../build/*/bin "$(dirname "${BASH_SOURCE[0]}")"/../bin -maxdepth 1 -name liere-data -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d ' ' -f 2-)
  command -v liere-data || { [[ -n $newest ]] && echo "$newest"; } || fail "liere-data was found neither in PATH nor in build/*/bin; build it, then run $0 again"
}

main() {
  local usage
  usage=$(sed -n '2,6s/^# //p' "$0")
  [[ ${1:-} == --help || ${1:-} == -h ]] && { echo "$usage"; return; }
  local from=''
  if [[ ${1:-} == --from ]]; then
    [[ -n ${2:-} ]] || { echo "$usage" >&2; exit 2; }
    from=$2
    shift 2
  fi
  [[ $# -le 1 && ${1:-} != -* ]] || { echo "$usage" >&2; exit 2; }
  [[ ${#sums[@]} -eq 3 ]] || { echo "error: LIERE_IMAGENET_MD5 holds ${#sums[@]} sums, expected three: train, val, devkit" >&2; exit 2; }
  local dest=${1:-data/imagenet} program i options=()
  program=$(find_program)
  mkdir -p "$dest" || fail "the folder $dest cannot be made; name another one: $0 DEST"
  if [[ -z $from ]]; then
    from=$dest
    if [[ -z ${LIERE_IMAGENET_URL:-} ]]; then
      for i in "${archives[@]}"; do
        [[ -f $dest/$i ]] || fail "$dest/$i was not found, and ImageNet is given only to people with an account: get the archives from https://image-net.org/download.php and name their folder with --from, or the address below which they are in LIERE_IMAGENET_URL"
      done
    else
      require_tool curl
      for i in 2 1 0; do # the small ones first: mistakes show early
        [[ -f $from/${archives[i]} ]] || fetch_checked "${LIERE_IMAGENET_URL%/}/${archives[i]}" "$from/${archives[i]}" "${sums[i]}" "LIERE_IMAGENET_URL and LIERE_IMAGENET_MD5"
      done
    fi
  fi
  [[ ${sums[*]} == "$published" ]] || options+=(--any-version)
  exec "$program" prepare imagenet --from "$from" --root "$dest" "${options[@]}"
}

main "$@"
