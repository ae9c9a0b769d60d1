#!/usr/bin/env bash
# scripts/gpu-check.sh rehearsed on the CPU: every piece runs, a piece that fails does not stop the others, and the page names every figure. Without a GPU it ends with 5.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"
check=$LIERE_SOURCE/scripts/gpu-check.sh
export LIERE_BIN OMP_NUM_THREADS=1
if ! command -v python3 >/dev/null; then
  echo "skipped: python3 is missing, which the page is made with"
  exit 0
fi
for name in liere-bench liere-train test_models; do
  [ -x "$LIERE_BIN/$name" ] || { echo "skipped: $name is not built"; exit 0; }
done

expect 0 bash "$check" --help
says rehearse
expect 2 bash "$check" tests --out
one_sentence
expect 2 bash "$check" everything
one_sentence
if ! nvidia-smi -L >/dev/null 2>&1; then
  expect 5 bash "$check" tests --out nothing
  one_sentence
fi

expect 0 env PYTHON="${LIERE_PYTHON:-python3}" bash "$check" --rehearse --out page
says 'all passed'
for piece in tests sanitizer benches steps ranks train; do
  says "$piece: passed"
  is_file "page/$piece.txt" "page/$piece.log"
done
is_file page/gpu.md page/rotations.json page/apply_5.json page/doctor.json page/train_summary.json
for text in 'exp forward + backward beside torch.matrix_exp' "LieRE_64's step beside" 'MFU, absolute' 'of the copy' "peak memory at UCF101's shape" '## Training steps' '## Turning' '## exp of' 'checkpoints at steps' 'largest relative difference'; do
  grep -q -F -e "$text" page/gpu.md || fail "gpu.md does not say '$text'"
done
grep -q 'not measured' page/gpu.md || fail 'figures of shapes that were not measured are in gpu.md'

# A piece that fails: the others still run, the exit code says so.
mkdir broken
cp -s "$LIERE_BIN"/* broken/
rm broken/liere-bench
printf '#!/bin/sh\necho "error: planted" >&2\nexit 3\n' >broken/liere-bench
chmod +x broken/liere-bench
expect 1 env LIERE_BIN="$PWD/broken" PYTHON=/nonexistent bash "$check" benches train --rehearse --out broken_page
says 'FAILED exp' 'exit code 3' 'error: planted' 'failed: benches' 'train: passed'
