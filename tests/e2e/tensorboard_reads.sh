#!/usr/bin/env bash
# The real TensorBoard reads a run's events: stopped, resumed, each step once, the figures of metrics.jsonl. LIERE_PYTHON names a Python that has tensorboard.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"
python=${LIERE_PYTHON:-python3}
if ! "$python" -c 'import tensorboard' >/dev/null 2>&1; then
  echo "skipped: $python has no package tensorboard (LIERE_PYTHON names another Python)"
  exit 0
fi
run=(liere-train --config arrows_tiny_liere.yaml threads=1 log.every_steps=2 --output run data.train_size=320 data.test_size=64 train.epochs=1000 schedule.epochs=2 checkpoint.every_steps=4)
expect 0 "${run[@]}" train.steps=6
# Events after the checkpoint that the next start goes on from: as a kill between step 4 and 6 leaves them.
rm run/checkpoints/step-00000006.safetensors
expect 0 "${run[@]}" train.steps=10
says resum
cat >read.py <<'PYTHON'
import json
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

events = EventAccumulator("run/tensorboard")
events.Reload()
lines = [json.loads(line) for line in open("run/metrics.jsonl")]


def check(tag, event, key):
    read = [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in events.Tensors(tag)]
    written = [(line["step"], line[key]) for line in lines if line["event"] == event]
    assert [step for step, _ in read] == [step for step, _ in written], (tag, read, written)
    assert all(abs(a - b) <= 1e-6 * abs(b) for (_, a), (_, b) in zip(read, written)), (tag, read, written)
    print(f"{tag}: {len(read)} points at steps {[step for step, _ in read]}")


for key in ("loss", "lr", "grad_norm", "samples_per_second", "data_wait", "orthogonality", "mfu"):
    check("train/" + key, "train", key)
check("memory", "train", "memory")
for key in ("top1", "top5", "loss"):
    check("eval/" + key, "eval", key)
assert [line["step"] for line in lines if line["event"] == "train"] == [2, 4, 6, 8, 10]
assert events.SummaryMetadata("train/loss").summary_description
assert b"block_size: 8" in tensor_util.make_ndarray(events.Tensors("config")[0].tensor_proto).item()
PYTHON
expect 0 "$python" read.py
cat "$output"
