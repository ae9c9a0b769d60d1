#!/usr/bin/env bash
# Checks the CUDA build on a machine with a GPU: all tests, a short training on both devices with their losses compared, two steps under compute-sanitizer.
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

first_loss() { # first_loss RUN: the training loss before the first update
  grep -m 1 '"event":"train"' "$1/metrics.jsonl" | grep -o '"loss":[0-9.e+-]*' | cut -d : -f 2
}

# The same weights, pictures and dropout masks on both devices: the first loss differs by the order of sums in float32 alone.
compare_devices() {
  local device cpu cuda
  for device in cpu cuda; do
    "$bin/liere-train" --config arrows_tiny_liere.yaml --output "runs/gpu_check/$device" "device=$device" train.steps=50 log.every_steps=1 model.dropout=0.1 || return
  done
  cpu=$(first_loss runs/gpu_check/cpu) cuda=$(first_loss runs/gpu_check/cuda)
  echo "first loss: $cpu on the CPU, $cuda on the GPU"
  awk -v a="$cpu" -v b="$cuda" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a > 0 && b > 0 && d <= 1e-4 * a) }'
}

rm -rf runs/gpu_check
check 'all tests, on a machine with a GPU' ctest --test-dir build/cuda --output-on-failure --no-tests=error
check 'a short training on the CPU and on the GPU, losses compared' compare_devices
if command -v compute-sanitizer >/dev/null; then
  check 'compute-sanitizer over two training steps with dropout' compute-sanitizer --error-exitcode 1 \
    "$bin/liere-train" --config arrows_tiny_liere.yaml --output runs/gpu_check/sanitizer device=cuda train.steps=2 model.dropout=0.1
else
  echo "compute-sanitizer: skipped, it is not in PATH (it comes with the CUDA toolkit)"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
