#!/usr/bin/env python3
"""What a training step costs with each position encoding, beside the absolute table: liere-bench step, the encodings in turn, medians and ratios.
usage: tests/bench/encoding_cost.py [--bench build/cpu/bin/liere-bench] [--model small|base] [--encodings absolute,rope_mixed,liere_8,liere_64] [--reference]
       [--precision bf16|fp32] [--batch 128] [--rounds 5] [--seconds 8] [--threads 1] [--json FILE]
small: 6 blocks, width 128, 2 heads of 64, MLP 256; base: ViT-B. Both on 32x32 pictures, patch 4 (65 tokens). With one thread the processor's time of a step
is compared, which other programs on the machine hardly change, else the clock's. --reference times each learned encoding also without its kernels."""
import argparse, json, os, statistics, subprocess, sys, tempfile

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
p = argparse.ArgumentParser()
p.add_argument("--bench", default=os.path.join(root, "build/cpu/bin/liere-bench"))
p.add_argument("--model", default="small", choices=["small", "base"])
p.add_argument("--encodings", default="absolute,rope_mixed,liere_8,liere_64")
p.add_argument("--precision", default="bf16", choices=["bf16", "fp32"])
p.add_argument("--reference", action="store_true")
for name, value in dict(batch=128, rounds=5, seconds=8, threads=1, warmup=1).items():
    p.add_argument("--" + name, type=int, default=value)
p.add_argument("--json")
a = p.parse_args()

FIGURES = os.path.join(tempfile.mkdtemp(), "figures.json")
SMALL = ["model.preset=custom", "model.width=128", "model.depth=6", "model.heads=2", "model.mlp=256"]


def command(encoding, reference):
    kind, _, block = encoding.partition("_") if encoding.startswith("liere_") else (encoding, "", "")
    keys = ["model.position.kind=" + kind] + (["model.position.block_size=" + block] if block else []) + (SMALL if a.model == "small" else [])
    keys += ["train.batch_size=%d" % a.batch, "train.precision=" + a.precision, "device=cpu", "threads=%d" % a.threads]
    return [a.bench, "step", "--config", os.path.join(root, "configs/cifar100_liere.yaml"), "--seconds", str(a.seconds), "--warmup", str(a.warmup),
            "--json", FIGURES] + (["--reference"] if reference else []) + keys


forms = {}
for encoding in a.encodings.split(","):
    forms[encoding] = command(encoding, False)
    if a.reference and encoding not in ("absolute", "none"):
        forms[encoding + ", reference"] = command(encoding, True)
steps, parts = {name: [] for name in forms}, {name: [] for name in forms}
for number in range(a.rounds):
    for name, line in forms.items():
        done = subprocess.run(line, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit("failed: %s\n%s" % (" ".join(line), done.stderr[-2000:]))
        with open(FIGURES) as file:
            found = json.load(file)
        steps[name].append(found["cpu_seconds_per_step"] if a.threads == 1 else found["batch"] / found["images_per_second"])
        parts[name].append(found["exp_seconds_per_step"])
        print("round %d of %d: %-24s %.3f s a step" % (number + 1, a.rounds, name, steps[name][-1]), file=sys.stderr, flush=True)

first = statistics.median(steps[next(iter(forms))])
print("| %s, %s, batch %d, %d thread%s | step, ms (lowest-highest) | beside %s | rotations and their gradients, ms |" % (a.model, a.precision, a.batch, a.threads, "s" * (a.threads > 1), next(iter(forms))))
print("|---|---|---|---|")
report = {"model": a.model, "precision": a.precision, "batch": a.batch, "threads": a.threads, "forms": {}}
for name, values in steps.items():
    median = statistics.median(values)
    print("| %s | %.0f (%.0f-%.0f) | %.3f | %.1f |" % (name, 1e3 * median, 1e3 * min(values), 1e3 * max(values), median / first, 1e3 * statistics.median(parts[name])))
    report["forms"][name] = {"seconds": values, "median": median, "ratio": median / first, "exp_seconds": statistics.median(parts[name])}
print(json.dumps(report))
if a.json:
    with open(a.json, "w") as file:
        json.dump(report, file)
