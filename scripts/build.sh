#!/usr/bin/env bash
# Builds into build/<preset>/ what scripts/setup.sh prepared: executables in build/<preset>/bin.
# usage: scripts/build.sh [PRESET] [TARGET...]     PRESET: cpu cuda gpu asan tsan (default: cuda where nvcc is found, else cpu); default targets: all
#   LIERE_TORCH=DIR   the torch package to link        LIERE_JOBS=N   compilations at a time (default: cores, bounded by memory)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=steps.sh
source "$(dirname "$0")/steps.sh"
case ${1:-} in
  -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
  -*) die 2 "build.sh has no option $1: see scripts/build.sh --help." ;;
esac

choose_preset
case ${1:-} in
  cpu | asan | tsan)
    preset=$1 preset_reason='as asked'
    shift
    ;;
  cuda | gpu)
    if [ "$preset" != cuda ]; then die 2 "the $1 preset cannot be built: $preset_reason."; fi
    preset=$1 preset_reason='as asked'
    shift
    ;;
esac
if ! command -v cmake >/dev/null || ! command -v ninja >/dev/null; then die "cmake or ninja is missing: run scripts/setup.sh."; fi
if [ "$preset" != tsan ]; then
  [ -n "$torch" ] || die "LibTorch was found neither in .venv nor through LIERE_TORCH: run scripts/setup.sh."
  if [ -n "${LIERE_TORCH:-}" ]; then check_named_torch; fi
fi

# A translation unit that sees torch takes up to 2 GB.
memory_gb=$(awk '/MemAvailable/ { printf "%d", $2 / 1048576 }' /proc/meminfo)
jobs=${LIERE_JOBS:-$(nproc)}
if [ -z "${LIERE_JOBS:-}" ] && [ "$jobs" -gt $((memory_gb / 2)) ]; then jobs=$((memory_gb / 2 > 0 ? memory_gb / 2 : 1)); fi

settings=("-DLIERE_TORCH=$torch")
with_ccache='without ccache'
if command -v ccache >/dev/null; then
  # The cache stays in this folder unless CCACHE_DIR names another; the sloppiness is what precompiled headers need.
  export CCACHE_DIR=${CCACHE_DIR:-$root/.cache/ccache} CCACHE_SLOPPINESS=pch_defines,time_macros
  settings+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  with_ccache='with ccache'
fi
case $preset in cuda | gpu) export CUDACXX=$nvcc ;; esac
echo "preset $preset ($preset_reason), $jobs compilations at a time, $with_ccache"

# Ninja configures again by itself when a CMake file has changed; here only when these settings have.
configured="build/$preset/configured_with"
wanted=$(printf '%s\n' "${settings[@]}" "CXX=${CXX:-}" "CXXFLAGS=${CXXFLAGS:-}" "CUDACXX=${CUDACXX:-}")
if [ ! -f "build/$preset/build.ninja" ] || [ "$(cat "$configured" 2>/dev/null)" != "$wanted" ]; then
  step "cmake: configuring build/$preset" cmake --preset "$preset" "${settings[@]}"
  printf '%s\n' "$wanted" >"$configured"
fi
step "ninja: building ${*:-everything}" ninja -C "build/$preset" -j "$jobs" "$@"
