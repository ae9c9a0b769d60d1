#!/usr/bin/env bash
# Fetches the three official archives of ImageNet (ILSVRC 2012; 148 GB) from where yours are, checks their MD5 and has liere-data index them; nothing is unpacked.
# usage: scripts/fetch-imagenet.sh [--from DIR] [--unpack] [DEST]        DEST defaults to data/imagenet, where data.root looks
# ImageNet has no open address: it needs an account (https://www.image-net.org/download.php). --from DIR uses archives that lie in DIR, where they are;
# LIERE_IMAGENET_URL=BASE fetches BASE/ILSVRC2012_img_train.tar, .../ILSVRC2012_img_val.tar and .../ILSVRC2012_devkit_t12.tar.gz, resuming what was cut.
# LIERE_IMAGENET_MD5="TRAIN VAL DEVKIT" takes archives with other sums; LIERE_DATA names liere-data where it is not in the path or in build/*/bin.
set -euo pipefail

names=(ILSVRC2012_img_train.tar ILSVRC2012_img_val.tar ILSVRC2012_devkit_t12.tar.gz)
read -r -a sums <<<"${LIERE_IMAGENET_MD5:-1d675b47d978889d74fa0da5fadfb00e 29b22e2961454d5413ddabcf34fc5622 fa75699e90414af021442c21a62c3abf}"

fail() {
  echo "error: $*" >&2
  exit 3
}

has_md5() { [[ -f $1 && $(md5sum <"$1") == "$2  -" ]]; }

# Continues the file where it ends. curl's code 33 and HTTP status 416 mean that the server cannot continue it: then it is fetched anew.
download() {
  local partial=$1 url=$2 code=0 status
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

# An archive counts as checked when a mark beside it is newer than it: 138 GB are not summed up twice.
fetch() {
  local archive=$1 url=$2 md5=$3
  [[ -f $archive && $archive.md5 -nt $archive && $(<"$archive.md5") == "$md5" ]] && return
  if [[ ! -f $archive ]]; then
    if ! has_md5 "$archive.part" "$md5"; then
      download "$archive.part" "$url" || fail "$url could not be fetched (curl code $?); what has come is kept in $archive.part: run $0 again to go on"
    fi
    mv -f "$archive.part" "$archive"
  fi
  if ! has_md5 "$archive" "$md5"; then
    rm -f "$archive"
    fail "the archive from $url does not have the MD5 $md5 and was removed; run $0 again, or check LIERE_IMAGENET_URL"
  fi
  sleep 0.01
  echo "$md5" >"$archive.md5"
}

find_liere_data() {
  local here candidate
  here=$(dirname "$0")
  for candidate in "${LIERE_DATA:-}" "$(command -v liere-data || true)" "$here"/../build/*/bin/liere-data; do
    [[ -n $candidate && -x $candidate ]] && { echo "$candidate"; return; }
  done
  fail "liere-data was not found; build it with scripts/build.sh or name it in LIERE_DATA"
}

main() {
  local usage from='' dest='' prepare=() i liere_data
  usage=$(sed -n '2,6s/^# //p' "$0")
  while [[ $# -gt 0 ]]; do
    case $1 in
      --help | -h) echo "$usage"; return ;;
      --unpack) prepare+=(--unpack) ;;
      --from) [[ $# -ge 2 ]] || { echo "$usage" >&2; exit 2; }; from=$2; shift ;;
      -*) echo "$usage" >&2; exit 2 ;;
      *) [[ -z $dest ]] || { echo "$usage" >&2; exit 2; }; dest=$1 ;;
    esac
    shift
  done
  dest=${dest:-data/imagenet}
  liere_data=$(find_liere_data) || exit 3
  mkdir -p "$dest" || fail "the folder $dest cannot be made; name another one: $0 DEST"
  if [[ -z $from ]]; then
    [[ -n ${LIERE_IMAGENET_URL:-} ]] || fail "nobody may hand ImageNet out: get an account at https://www.image-net.org/download.php, then name your archives with --from DIR or their address in LIERE_IMAGENET_URL"
    command -v curl >/dev/null || fail "curl was not found; install it with: apt-get install curl"
    for i in 2 1 0; do fetch "$dest/${names[i]}" "$LIERE_IMAGENET_URL/${names[i]}" "${sums[i]}"; done
    from=$dest
    prepare+=(--any-version) # the sums have just been compared
  elif [[ -n ${LIERE_IMAGENET_MD5:-} ]]; then
    for i in 0 1 2; do has_md5 "$from/${names[i]}" "${sums[i]}" || fail "$from/${names[i]} is missing or does not have the MD5 ${sums[i]}"; done
    prepare+=(--any-version)
  fi
  exec "$liere_data" prepare imagenet --from "$from" --root "$dest" "${prepare[@]}"
}

main "$@"
