#!/usr/bin/env bash
# scripts/convert_checkpoint.py: what training programs save becomes the same safetensors file; what it refuses, it refuses in a sentence.
# Needs Python with torch and safetensors (LIERE_PYTHON, else that beside LIERE_TORCH, else python3); skipped without.
set -u
source_dir=${LIERE_SOURCE:?the folder of the sources}
for python in "${LIERE_PYTHON:-}" "${LIERE_TORCH:+$LIERE_TORCH/../../../../bin/python3}" python3; do
  [ -n "$python" ] && "$python" -c 'import torch, safetensors' 2>/dev/null && break
  python=
done
if [ -z "$python" ]; then echo "skipped: no Python with torch and safetensors (set LIERE_PYTHON)"; exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
"$python" - <<'PY' || exit 1
import argparse, torch
w = {"blocks.0.attn.qkv.weight": torch.arange(12.).reshape(3, 4), "head.bias": torch.ones(2, dtype=torch.float16)}
w["tied.weight"] = w["head.bias"]
torch.save(w, "plain.pth")
torch.save({"epoch": 3, "state_dict": {"model." + k: v for k, v in w.items()}}, "lightning.ckpt")
torch.save({"model": {"module._orig_mod." + k: v for k, v in w.items()}, "model_ema": {k: v + 1 for k, v in w.items()}, "optimizer": {"lr": 1.0}}, "timm.pt")
torch.save({"state_dict": w, "args": argparse.Namespace(a=1)}, "objects.pth")
torch.save({"epoch": 3}, "nothing.pth")
open("text.pth", "w").write("no checkpoint")
PY
failed=0
check() { if ! eval "$2"; then echo "FAILED: $1"; cat out; failed=1; fi; }
convert() { "$python" "$source_dir/scripts/convert_checkpoint.py" "$@" >out 2>&1; }
for file in plain.pth lightning.ckpt timm.pt; do
  convert $file ${file%.*}.safetensors; check "$file" "[ $? = 0 ]"
done
# Their metadata hold the file's name alone.
"$python" - <<'PY' >out 2>&1
import torch
from safetensors.torch import load_file
a, b, c = (load_file(n + ".safetensors") for n in ("plain", "lightning", "timm"))
assert set(a) == set(b) == set(c) == {"blocks.0.attn.qkv.weight", "head.bias", "tied.weight"}, (set(a), set(b), set(c))
assert all(torch.equal(a[k], b[k]) and torch.equal(a[k], c[k]) and a[k].dtype == c[k].dtype for k in a)
PY
check "the same tensors" "[ $? = 0 ]"
convert timm.pt --ema ema.safetensors; check "--ema" "[ $? = 0 ] && grep -q model_ema out"
convert plain.pth; check "a list without an output" "grep -q 'blocks.0.attn.qkv.weight  float32  \[3, 4\]' out"
convert lightning.ckpt --keep-prefix kept.safetensors; check "--keep-prefix" "grep -q 'model.head.bias' kept.safetensors"
convert objects.pth x.safetensors; check "objects are refused" "[ $? = 1 ] && grep -q 'would execute code' out && [ ! -e x.safetensors ]"
convert objects.pth --trust x.safetensors; check "--trust" "[ $? = 0 ]"
convert nothing.pth y.safetensors; check "no weights" "[ $? = 1 ] && grep -q 'has no weights' out"
convert text.pth y.safetensors; check "no checkpoint" "[ $? = 1 ] && grep -q '^error: text.pth' out && ! grep -q Traceback out"
convert absent.pth y.safetensors; check "absent" "[ $? = 1 ] && grep -q 'does not exist' out"
convert plain.safetensors y.safetensors; check "converted already" "grep -q 'safetensors file already' out"
convert plain.pth absent/y.safetensors; check "no folder" "[ $? = 1 ] && grep -q 'cannot be written' out && ! grep -q Traceback out"
convert plain.pth --emma; check "a typo" "[ $? = 2 ]"
exit $failed
