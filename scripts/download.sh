# Sourced by the fetch scripts: errors, checksums, and downloads that go on where they were cut.
# shellcheck shell=bash

fail() {
  echo "error: $*" >&2
  exit 3
}

require_tool() { command -v "$1" >/dev/null || fail "$1 was not found; install it with: apt-get install $1"; }

has_md5() { [[ -f $1 && $(md5sum <"$1") == "$2  -" ]]; }

# download URL FILE: continues the file where it ends. curl's code 33 and HTTP status 416 mean that the server cannot continue it: then it is fetched anew.
download() {
  local url=$1 partial=$2 code=0 status
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

# fetch_checked URL FILE CHECK WRONG VARIABLES: leaves FILE as the command CHECK (called with the file) accepts it, or ends with the reason. WRONG: what an archive is
# that it does not accept; VARIABLES: those to look at when another archive was meant. Only what was fetched here is ever removed.
fetch_checked() {
  local url=$1 file=$2 check=$3 wrong=$4 variables=$5
  [[ -f $file ]] && "$check" "$file" && return
  if [[ ! -f $file.part ]] || ! "$check" "$file.part"; then
    download "$url" "$file.part" || fail "$url could not be fetched (curl code $?); what has come is kept in $file.part: run $0 again to go on"
  fi
  if ! "$check" "$file.part"; then
    rm -f "$file.part"
    fail "the archive from $url $wrong and was removed; run $0 again, or check $variables"
  fi
  mv -f "$file.part" "$file"
}
