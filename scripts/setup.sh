#!/usr/bin/env bash
# Installs what building and running needs and is missing: apt packages, and LibTorch (the torch wheel) in .venv.
# usage: scripts/setup.sh          On Debian 12 or Ubuntu 24.04, as root or with sudo. With everything installed it needs neither network nor root.
#   LIERE_TORCH=DIR                uses an installed torch package (DIR/include, DIR/lib/libtorch_cpu.so) and makes no .venv
# Nothing is written outside this folder but by apt.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=steps.sh
source "$(dirname "$0")/steps.sh"
if [ $# -gt 0 ]; then sed -n '2,5s/^# //p' "$0"; [[ $1 == --help || $1 == -h ]] && exit 0; die 2 "setup.sh takes no arguments, '$1' was given."; fi

# Tools count as installed wherever they come from; libraries must be Debian's packages.
tools=(cmake:cmake ninja:ninja-build g++:g++ ccache:ccache git:git python3:python3 gnuplot:gnuplot-nox strace:strace)
libraries=(ca-certificates libyaml-cpp-dev libspdlog-dev libcli11-dev catch2 nlohmann-json3-dev libxxhash-dev libpng-dev zlib1g-dev libjpeg-dev libopencv-core-dev libopencv-imgproc-dev libboost-context-dev
  libavformat-dev libavcodec-dev libswscale-dev libavutil-dev libarchive-dev libdcmtk-dev libssl-dev)

# The NVIDIA wheels that libtorch_cpu.so itself loads (libcudart, libcupti), where there is no nvcc; with nvcc pip brings all that torch depends on.
cpu_wheels=("torch==$torch_version" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
cpu_disk_mb=4000 cuda_disk_mb=10000 apt_disk_mb=1600 # .venv with the wheels while they are unpacked, and the build

find_missing_packages() {
  local entry installed
  missing=()
  for entry in "${tools[@]}"; do
    command -v "${entry%%:*}" >/dev/null || missing+=("${entry#*:}")
  done
  # A .venv that stands needs no python3-venv any more.
  if [ "$wheels" != none ] && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then missing+=(python3-venv); fi
  command -v dpkg-query >/dev/null || return 0
  # dpkg-query fails when it does not know one of the names, which is an answer too.
  installed=$({ dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${libraries[@]}" 2>/dev/null || true; } | sed -n 's/^ii *//p')
  for entry in "${libraries[@]}"; do
    grep -qxF "$entry" <<<"$installed" || missing+=("$entry")
  done
}

install_packages() {
  local as_root=()
  if ! command -v apt-get >/dev/null; then
    die "these are missing and there is no apt-get to install them: ${missing[*]} (Debian's names); install them with your system's package manager and run scripts/build.sh."
  fi
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "these packages are missing and you are neither root nor have sudo: run, as root: apt-get install ${missing[*]}"
    sudo -v || die "these packages are missing and sudo refused: run, as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  require_disk /var "$apt_disk_mb" 'the packages'
  step "apt: refreshing the package lists" "${as_root[@]}" apt-get update -q
  step "apt: installing ${missing[*]}" \
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "${missing[@]}"
}

require_disk() { # require_disk FOLDER MEGABYTES WHAT_FOR
  local free
  free=$(free_megabytes "$1")
  if [ "$free" -lt "$2" ]; then
    die "$3 need $2 MB, but only $free MB are free in $(realpath "$1"): free some space, or clone the project to a larger disk, and run the same command again."
  fi
}

check_versions() {
  local cmake_found gcc_found
  cmake_found=$(cmake --version | sed -n '1s/[^0-9]*//p')
  at_least "$cmake_found" 3.25 || die "cmake $cmake_found was found, 3.25 or newer is needed: use Debian 12 or Ubuntu 24.04, or install a newer cmake and put it first in PATH."
  gcc_found=$("${CXX:-g++}" -dumpfullversion -dumpversion 2>/dev/null || true)
  at_least "${gcc_found:-0}" 11 || die "${CXX:-g++} ${gcc_found:-(not found)} is too old or missing, g++ 11 or newer is needed: apt-get install g++, or set CXX to a newer one."
}

# Sets wheels to what has to be put into .venv: cpu, cuda, or none. .venv/liere-setup names what was installed; it is absent in a .venv made by hand,
# which is kept, and says 'unfinished' in one whose installation was cut off, which is made anew.
plan_torch() {
  local stamp
  stamp=$(cat .venv/liere-setup 2>/dev/null || true)
  find_torch
  wheels=none
  if [ -n "${LIERE_TORCH:-}" ]; then
    check_named_torch
    torch_found="LibTorch: $torch (LIERE_TORCH)"
    return
  fi
  local want=cpu
  find_nvcc
  if [ -n "$nvcc" ] && at_least "$(nvcc_version)" "$oldest_nvcc"; then want=cuda; fi
  torch_found="LibTorch: $torch"
  if [ -n "$torch" ] && [[ $stamp == "torch $torch_version $want" || $stamp == "torch $torch_version cuda" || -z $stamp ]]; then return; fi
  wheels=$want
}

install_torch() {
  local pip=(.venv/bin/python -m pip install -q --disable-pip-version-check --no-cache-dir --no-compile --no-input)
  if [ "$wheels" = cpu ]; then
    require_disk . "$cpu_disk_mb" 'LibTorch and the build'
  else
    require_disk . "$cuda_disk_mb" 'LibTorch with CUDA and the build'
  fi
  [ ! -e .venv ] || [ -d .venv ] || die "$root/.venv is no folder: remove it."
  if [ -f .venv/liere-setup ] || [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
    rm -rf .venv
    mkdir .venv
    echo unfinished >.venv/liere-setup
    step 'python: making .venv' python3 -m venv .venv
  fi
  mkdir -p .venv/tmp
  if [ "$wheels" = cpu ]; then
    TMPDIR=$root/.venv/tmp step "pip: LibTorch $torch_version for the CPU into .venv (0.5 GB to fetch)" "${pip[@]}" --no-deps "${cpu_wheels[@]}"
  else
    TMPDIR=$root/.venv/tmp step "pip: LibTorch $torch_version with CUDA into .venv (2.5 GB to fetch)" "${pip[@]}" "torch==$torch_version"
  fi
  rm -rf .venv/tmp
  find_torch
  [ -n "$torch" ] || die "pip succeeded, but .venv holds no libtorch_cpu.so: remove $root/.venv and run the same command again."
  echo "torch $torch_version $wheels" >.venv/liere-setup
  torch_found="LibTorch: $torch"
}

if ! mkdir -p build 2>/dev/null || [ ! -w build ]; then die "$root cannot be written: make the project's folder writable, or clone it to where you may write."; fi
exec 9>build/setup.lock
flock 9 # two set-ups at once wait for each other

plan_torch
find_missing_packages
if [ ${#missing[@]} -gt 0 ]; then install_packages; fi
check_versions
if [ "$wheels" != none ]; then install_torch; fi
echo "$torch_found"
