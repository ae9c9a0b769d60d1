#!/usr/bin/env python3
"""Training throughput of liere and of PyTorch, taken in turn on one machine: medians, ratios, one table and one JSON line.
usage: PYTHON=/path/to/python-with-torch tests/bench/train_throughput.py [--bench build/cpu/bin/liere-bench] [--rounds 5] [--seconds 8] [--threads 1]
       [--encoding absolute|liere_8|rope_mixed] [--precisions bf16,fp32] [--peers fp32,bf16,compiled] [--composed] [--json FILE]
Both sides: ViT of 6 blocks, width 128, 2 heads of 64, MLP 256, patch 4, 32x32 pictures, batch 128, dropout 0.1, 100 classes, fused Adam, constant
batch. Each round runs every form once; start both at the same priority (`nice` in front of this script serves all). The peer is
tests/bench/train_peer.py; without PYTHON, or where it has no torch, the peer is skipped."""
import argparse, json, os, statistics, subprocess, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(os.path.dirname(here))
p = argparse.ArgumentParser()
p.add_argument("--bench", default=os.path.join(root, "build/cpu/bin/liere-bench"))
p.add_argument("--rounds", type=int, default=5)
p.add_argument("--seconds", type=int, default=8)
p.add_argument("--threads", type=int, default=1)
p.add_argument("--encoding", default="absolute", choices=["absolute", "liere_8", "rope_mixed"])
p.add_argument("--precisions", default="bf16,fp32")
p.add_argument("--peers", default="fp32,bf16,compiled")
p.add_argument("--composed", action="store_true", help="time the composed blocks as well")
p.add_argument("--json")
a = p.parse_args()

POSITION = {"absolute": ["model.position.kind=absolute"], "liere_8": ["model.position.kind=liere", "model.position.block_size=8"], "rope_mixed": ["model.position.kind=rope_mixed"]}[a.encoding]
MODEL = ["model.preset=custom", "model.width=128", "model.depth=6", "model.heads=2", "model.mlp=256", "model.patch=[4, 4]", "model.dropout=0.1",
         "train.batch_size=128", "device=cpu"] + POSITION


FIGURES = os.path.join(tempfile.mkdtemp(), "figures.json")  # a file of its own: the program replaces what it writes to


def liere(precision, composed):
    command = [a.bench, "step", "--config", os.path.join(root, "configs/cifar100_absolute.yaml"), "--seconds", str(a.seconds), "--json", FIGURES]
    return command + (["--composed"] if composed else []) + MODEL + ["train.precision=" + precision, "threads=%d" % a.threads]


def peer(form):
    encoding = {"liere_8": "liere"}.get(a.encoding, a.encoding)
    command = [os.environ["PYTHON"], os.path.join(here, "train_peer.py"), "--encoding", encoding, "--block", "8", "--threads", str(a.threads), "--seconds", str(a.seconds)]
    return command + ["--dtype", "fp32" if form == "compiled" else form] + (["--compile"] if form == "compiled" else [])


def rate(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("failed: %s\n%s" % (" ".join(command), done.stderr[-2000:]))
    if command[0] == a.bench:
        with open(FIGURES) as file:
            found = json.load(file)
    else:
        found = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    return found.get("mean_images_per_second", found["images_per_second"])  # both sides: all images over all seconds


forms = {"liere " + precision: liere(precision, False) for precision in a.precisions.split(",") if precision}
if a.composed:
    forms.update({"liere %s composed" % precision: liere(precision, True) for precision in a.precisions.split(",") if precision})
python = os.environ.get("PYTHON")
if not python or subprocess.run([python, "-c", "import torch"], capture_output=True).returncode != 0:
    print("skipped: the PyTorch peer (set PYTHON to a Python that has torch)")
else:
    forms.update({"PyTorch " + form: peer(form) for form in a.peers.split(",") if form})
rates = {name: [] for name in forms}
for number in range(a.rounds):
    for name, command in forms.items():
        rates[name].append(rate(command))
        print("round %d of %d: %-24s %.1f images/s" % (number + 1, a.rounds, name, rates[name][-1]), file=sys.stderr, flush=True)

medians = {name: statistics.median(values) for name, values in rates.items()}
peers = {name: value for name, value in medians.items() if name.startswith("PyTorch")}
fastest = max(peers.values(), default=None)
print("| %s, %d thread%s | images/s, median of %d (lowest-highest) | of the fastest PyTorch |" % (a.encoding, a.threads, "s" * (a.threads > 1), a.rounds))
print("|---|---|---|")
for name, values in rates.items():
    print("| %s | %.0f (%.0f-%.0f) | %s |" % (name, medians[name], min(values), max(values), "%.2f" % (medians[name] / fastest) if fastest else "-"))
report = {"encoding": a.encoding, "threads": a.threads, "rounds": a.rounds, "rates": rates, "medians": medians, "fastest_peer": fastest}
print(json.dumps(report))
if a.json:
    with open(a.json, "w") as file:
        json.dump(report, file)
