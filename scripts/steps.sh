# Sourced by the other scripts: steps of one line each with their duration, the noise in build/logs/, errors as one sentence, and the choice of LibTorch and preset.
# shellcheck shell=bash disable=SC2034,SC2317 # variables set for those who source this; the end of step() is reached
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${LIERE_TORCH:-/} in /*) ;; *) export LIERE_TORCH=$PWD/$LIERE_TORCH ;; esac # it may be relative to where the user stands
cd "$root" || exit 1
set -o errtrace
trap 'printf "error: %s, line %s: this failed unexpectedly: %s\n" "$0" "$LINENO" "$BASH_COMMAND" >&2' ERR
torch_version=2.11.0
oldest_nvcc=12.8 # the first to know the architectures of cmake/Cuda.cmake

die() { # die [EXIT_CODE] SENTENCE
  local code=1
  if [[ $1 =~ ^[0-9]+$ ]]; then code=$1; shift; fi
  printf 'error: %s\n' "$*" >&2
  exit "$code"
}

at_least() { # at_least FOUND NEEDED: compares version numbers
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# step LABEL COMMAND...: one line 'LABEL ... 12 s'. The command runs in the foreground (Ctrl-C reaches it) with its output in build/logs/;
# a failure shows the log's last lines and its path, and ends the script.
step() {
  local label=$1 log watcher='' started=$SECONDS code=0
  shift
  log=build/logs/$(basename "$0" .sh)-$(tr -cs '[:alnum:]\n' '-' <<<"$label" | cut -c 1-40 | sed 's/-$//').log
  mkdir -p build/logs || die "$root/build cannot be written: make the project's folder writable, or clone it to where you may write."
  printf '%s ... ' "$label"
  if [ -t 1 ]; then
    show_elapsed "$label" "$log" &
    watcher=$!
  fi
  "$@" >"$log" 2>&1 </dev/null || code=$?
  if [ -n "$watcher" ]; then
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    printf '\r\033[K%s ... ' "$label"
  fi
  if [ "$code" != 0 ]; then
    printf 'failed after %d s\n' $((SECONDS - started))
    if [ "$code" -ge 128 ] && [ "$code" != 137 ]; then die "$code" "stopped."; fi
    explain_failure "$label" "$log"
    exit 1
  fi
  printf '%d s\n' $((SECONDS - started))
}

show_elapsed() { # show_elapsed LABEL LOG: rewrites the line each second with the time and, for a build, ninja's counter
  local began=$SECONDS counter
  while sleep 1 && kill -0 $$ 2>/dev/null; do # as long as the script lives
    counter=$(tail -n 1 "$2" 2>/dev/null | grep -o '^\[[0-9]*/[0-9]*\]' || true)
    printf '\r\033[K%s ... %d s %s' "$1" $((SECONDS - began)) "$counter"
  done
}

explain_failure() { # explain_failure LABEL LOG
  tail -n 15 "$2" | sed 's/^/  | /' >&2
  local free_mb
  free_mb=$(free_megabytes .)
  if grep -q -i -e 'no space left' -e 'not enough free space' -e 'disk quota exceeded' "$2" || [ "$free_mb" -lt 50 ]; then
    die "$1: the disk is full ($free_mb MB left in $root, $(free_megabytes /var) MB in /var): free some space and run the same command again."
  fi
  if [ ! -s "$2" ]; then die "$1 failed without a word, as when the disk is full ($free_mb MB are free in $root now): free some space and run the same command again."; fi
  if grep -q -i -e 'temporary failure resolving' -e 'name resolution' -e 'could not resolve' -e 'network is unreachable' -e 'connection refused' "$2"; then
    die "$1: the network was not reachable: connect it (or set https_proxy) and run the same command again; the log is $root/$2"
  fi
  if grep -q -e 'Killed signal' -e 'fatal error: Killed' "$2"; then
    die "$1: the machine ran out of memory: close other programs or set LIERE_JOBS=1, and run the same command again; the log is $root/$2"
  fi
  die "$1 failed: the lines above are the end of $root/$2"
}

free_megabytes() { df -Pk "$1" | awk 'NR == 2 { printf "%d", $4 / 1024 }'; }

# Sets nvcc to the compiler's path, or to nothing.
find_nvcc() {
  nvcc=${CUDACXX:-$(command -v nvcc || true)}
  if [ -z "$nvcc" ] && [ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ]; then nvcc=${CUDA_HOME:-/usr/local/cuda}/bin/nvcc; fi
}

nvcc_version() { "$nvcc" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p'; }

# Sets torch to the folder of the LibTorch to use: LIERE_TORCH, else the one in .venv; nothing if there is none.
find_torch() {
  local candidate
  torch=${LIERE_TORCH:-}
  if [ -n "$torch" ]; then return; fi
  for candidate in "$root"/.venv/lib/python3*/site-packages/torch; do
    if [ -f "$candidate/lib/libtorch_cpu.so" ]; then torch=$candidate; fi
  done
}

# Dies unless $torch, as the user named it, is a usable LibTorch.
check_named_torch() {
  local found
  # The numbers stand in the first file, before 2.10 in the second.
  local headers=("$torch/include/torch/headeronly/version.h" "$torch/include/torch/csrc/api/include/torch/version.h")
  found=$({ cat "${headers[@]}" 2>/dev/null || true; } | awk '/define TORCH_VERSION_M(AJOR|INOR) / { v = v (v == "" ? "" : ".") $3 } END { print v }')
  if [ ! -f "$torch/lib/libtorch_cpu.so" ] || [ -z "$found" ]; then
    die 2 "LIERE_TORCH=$torch has no include/ with LibTorch's headers or no lib/libtorch_cpu.so: name the folder of an installed torch package (.../site-packages/torch), or unset LIERE_TORCH."
  fi
  at_least "$found" "${torch_version%.*}" || die 2 "LIERE_TORCH=$torch is LibTorch $found, ${torch_version%.*} or newer is needed: install torch==$torch_version, or unset LIERE_TORCH."
}

# Sets preset (cuda where it can be built, else cpu) and preset_reason.
choose_preset() {
  find_nvcc
  find_torch
  preset=cpu
  if [ -z "$nvcc" ]; then
    preset_reason='no nvcc found'
  elif ! at_least "$(nvcc_version)" "$oldest_nvcc"; then
    preset_reason="nvcc $(nvcc_version) is older than $oldest_nvcc; install a newer CUDA toolkit for CUDA"
  elif [ -z "${LIERE_TORCH:-}" ] && [ "$(cat .venv/liere-setup 2>/dev/null)" = "torch $torch_version cpu" ]; then
    preset_reason='.venv was set up before nvcc was there: run scripts/setup.sh for CUDA'
  elif [ -n "$torch" ] && [ ! -f "$torch/lib/libtorch_cuda.so" ]; then
    preset_reason="$torch has no libtorch_cuda.so"
  else
    preset=cuda
    preset_reason="nvcc $(nvcc_version) found"
  fi
}
