#!/usr/bin/env bash
# Runs what needs a GPU, on a machine with one: the tests named cuda, one of them under compute-sanitizer, and a short training on the GPU.
# usage: scripts/gpu-check.sh       Ends with 5 where there is no GPU or no nvcc; the last line counts the checks.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=steps.sh
source "$(dirname "$0")/steps.sh"
nvidia-smi -L >/dev/null 2>&1 || die 5 "no NVIDIA GPU was found (nvidia-smi -L names none): run this on a machine that has one."
choose_preset
# shellcheck disable=SC2154 # both are choose_preset's
[ "$preset" = cuda ] || die 5 "the CUDA build is not possible here: $preset_reason."
nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader

scripts/setup.sh
scripts/build.sh cuda
bin=build/cuda/bin passed=0 failed=0

check() { # check LABEL COMMAND...: goes on after a failure
  if (step "$@"); then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

check 'tests on the GPU' ctest --test-dir build/cuda --output-on-failure --no-tests=error -R '[Cc][Uu][Dd][Aa]'
if command -v compute-sanitizer >/dev/null; then
  check 'compute-sanitizer: dropout' compute-sanitizer --error-exitcode 1 "$bin/test_models" '*dropout*'
else
  echo "compute-sanitizer: skipped, it is not in PATH (it comes with the CUDA toolkit)"
fi
rm -rf runs/gpu_check
check 'a short training on the GPU' "$bin/liere-train" --config arrows_tiny_liere.yaml --output runs/gpu_check device=cuda train.steps=50

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
