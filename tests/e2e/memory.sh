#!/usr/bin/env bash
# A training that needs more memory than `ulimit -v` leaves ends with one sentence and exit code 5, and the micro-batch it names runs.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"
config=(--config arrows_tiny_liere.yaml threads=1 loader.workers=0 train.steps=1 eval.limit=8 model.width=256 model.depth=6 model.heads=4 model.mlp=1024 train.batch_size=1024)

# What the program takes before a step: its libraries alone are gigabytes of address space.
liere-train "${config[@]}" --dry-run >"$output"
grep -q 'memory  *about' "$output" || fail '--dry-run does not estimate the memory'
expect 0 liere-train "${config[@]}" --dry-run=step train.batch_size=8
base=$( (liere-train "${config[@]}" --output base train.batch_size=8 >/dev/null 2>&1 & pid=$!; peak=0
  while kill -0 $pid 2>/dev/null; do now=$(awk '/VmPeak/ {print $2}' /proc/$pid/status 2>/dev/null || true); [ "${now:-0}" -gt "$peak" ] && peak=$now; sleep 0.05; done; echo "$peak") )
[ "$base" -gt 100000 ] || fail "the program's address space could not be read ($base kB)"
limited() { (ulimit -v $((base + 1000000)) && exec "$@"); }
expect 5 limited liere-train "${config[@]}" --output full
one_sentence
says 'out of memory' 'is estimated to fit'
fits=$(grep -o 'train.micro_batch=[0-9]* is estimated' "$output" | grep -o '[0-9]*')
expect 0 limited liere-train "${config[@]}" --output split train.micro_batch="$fits"
expect 0 limited liere-train "${config[@]}" --output auto train.micro_batch=auto
says 'auto chose'
