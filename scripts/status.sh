#!/usr/bin/env bash
# Renews what docs/ says of the state of the reproduction: docs/results/costs.yaml (what each training takes, counted by the program), then the status table
# of docs/reproduce.md from it, configs/ and docs/results/results.yaml.  Usage: scripts/status.sh [BUILD], the folder with bin/test_train and bin/liere-status.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then sed -n '2,3s/^# //p' "$0"; exit 0; fi
if [[ $# -gt 1 ]]; then echo "scripts/status.sh: expected one argument at most, a build folder; found $#." >&2; exit 2; fi
build=${1:-}
if [[ -z $build ]]; then
  for folder in build/cuda build/cpu build/free; do
    if [[ -x $folder/bin/liere-status ]]; then build=$folder; break; fi
  done
fi
if [[ -z $build || ! -x $build/bin/liere-status ]]; then
  echo "scripts/status.sh: no bin/liere-status in '${build:-build/cuda, build/cpu, build/free}'. Build it: scripts/build.sh, or ninja -C build/free liere-status." >&2
  exit 1
fi
if [[ -x $build/bin/test_train ]]; then
  LIERE_RENEW_COSTS=docs/results/costs.yaml OMP_WAIT_POLICY=PASSIVE "$build/bin/test_train" "[costs]" >/dev/null 2>&1 ||
    { echo "scripts/status.sh: the costs could not be counted. See: $build/bin/test_train '[costs]'" >&2; exit 1; }
else
  echo "scripts/status.sh: without $build/bin/test_train (it needs LibTorch) docs/results/costs.yaml stays as it is." >&2
fi
"$build/bin/liere-status" .
