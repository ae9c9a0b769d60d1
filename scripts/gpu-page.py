#!/usr/bin/env python3
"""The page of scripts/gpu-check.sh: figures beside their goals, from the JSON files in its folder. Prints Markdown; a figure that was not taken reads 'not measured'.
usage: gpu-page.py FOLDER"""
import datetime, glob, json, os, sys

folder = sys.argv[1]


def text(name):
    try:
        with open(os.path.join(folder, name)) as file: return file.read().strip()
    except OSError: return ""


def load(name):
    try:
        with open(os.path.join(folder, name)) as file: return json.load(file)
    except (OSError, ValueError): return None


def table(head, rows):
    if not rows: return
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows: print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


goals = []


def goal(name, value, show, limit, holds):
    """One row: `value` None where nothing was measured."""
    goals.append((name, "not measured" if value is None else show % value, limit, "" if value is None else "yes" if holds(value) else "NO"))


def ms(seconds): return "%.3f ms" % (1e3 * seconds)
def gib(size): return "" if size is None else "%.2f GiB" % (size / 2**30)


# --- exp
def rotation_rows(name):
    report = load(name)
    groups = {}
    for row in report["rows"] if report else []: groups.setdefault((row["block"], row["grid"]), {})[row["form"]] = row
    return groups


def total(row, key): return row[key]["seconds_per_matrix"] * row["matrices"]


exp_rows, exp_ratio, exp_peaks = [], {}, {}
for name in ("rotations.json", "rotations_ucf101.json", "rotations_small.json"):
    for (block, grid), forms in rotation_rows(name).items():
        torch = forms.get("torch.matrix_exp")
        for form, row in forms.items():
            forward, both = total(row, "forward"), total(row, "forward_and_backward")
            ratio = total(torch, "forward_and_backward") / both if torch else None
            if form == "kernels":
                exp_ratio[block, grid], exp_peaks[block, grid] = ratio, (row.get("peak_bytes"), torch.get("peak_bytes") if torch else None)
            exp_rows.append((block, grid, row["matrices"], form, ms(forward), ms(both), "%.1f" % ratio if ratio else "", "%.1e" % row["error"], "%.1e" % row["gradient_error"], gib(row.get("peak_bytes"))))
peer_exp = {figure["grid"]: figure for figure in load("peer_matrix_exp.json") or []}
for grid, figure in peer_exp.items():
    where = (figure["side"], grid, figure["matrices"], "torch.matrix_exp, from Python")
    if figure.get("out_of_memory"): exp_rows.append((*where, "", "out of memory", "", "", "", "> " + gib(figure["memory_bytes"])))
    else: exp_rows.append((*where, ms(figure["forward"]), ms(figure["forward_and_backward"]), "", "", "", gib(figure["peak_bytes"])))
for grid, shape in (("8x8", "CIFAR-100"), ("14x14", "ImageNet")):
    goal("exp forward + backward beside torch.matrix_exp, %s (64x64, %s)" % (shape, grid), exp_ratio.get((64, grid)), "%.1f x", ">= 20 x (first stage 5 x)", lambda value: value >= 20)
ours, theirs = exp_peaks.get((64, "4x14x14"), (None, None))
bound = ""
if ours is not None and theirs is None and peer_exp.get("4x14x14", {}).get("out_of_memory"):
    theirs, bound = peer_exp["4x14x14"]["memory_bytes"], "< "  # it needs more than the GPU has
elif ours is not None and theirs is None and "4x14x14" in peer_exp: theirs = peer_exp["4x14x14"]["peak_bytes"]
goal("exp: peak memory at UCF101's shape, of torch.matrix_exp's", ours / theirs if ours is not None and theirs else None, bound + "%.3f", "<= 0.1", lambda value: value <= 0.1)

# --- turning
apply_rows, copy = [], None
for name in sorted(glob.glob(os.path.join(folder, "apply_*.json"))):
    report = load(os.path.basename(name))
    if not report: continue
    copy = report["copy_bytes_per_second"]
    for row in report["rows"]:
        where = ("pairs" if row["block"] == 0 else row["block"], row["tokens"], report["batch"], row["dtype"], row["form"])
        cells = [("%.3f ms" % (1e3 * row[key]["seconds"]), "%.0f %%" % (100 * row[key]["share_of_copy"])) for key in ("forward", "backward")]
        apply_rows.append((*where, *cells[0], *cells[1], gib(row.get("peak_bytes"))))
        if row["form"] == "kernels" and row["dtype"] == "bf16" and row["block"] in (0, 8, 64):
            share = min(row[key]["share_of_copy"] for key in ("forward", "backward"))
            goal("turning, %s, batch %d, %d tokens, bf16: of the copy's rate, the slower direction" % ("pairs" if row["block"] == 0 else "blocks of %d" % row["block"], report["batch"], row["tokens"]),
                 100 * share, "%.0f %%", ">= 85 %", lambda value: value >= 85)

# --- steps
steps = {}  # shape -> encoding -> figures in the order taken
for name in sorted(glob.glob(os.path.join(folder, "step_*.json"))):
    shape, _, rest = os.path.basename(name)[len("step_"):-len(".json")].partition("_")
    figures = load(os.path.basename(name))
    if figures: steps.setdefault(shape, {}).setdefault(rest.partition("-")[2], []).append(figures)
SHAPES = {"cifar100": "CIFAR-100's shape (64 tokens)", "imagenet": "ImageNet's shape (196 tokens)", "784": "784 tokens", "cifar100small": "CIFAR-100's shape, small batch"}


def mean_seconds(runs): return sum(run["seconds_per_step"] for run in runs) / len(runs)


step_rows = []
for shape, encodings in sorted(steps.items(), key=lambda item: list(SHAPES).index(item[0]) if item[0] in SHAPES else len(SHAPES)):
    absolute = mean_seconds(encodings["absolute"]) if "absolute" in encodings else None
    for encoding, runs in encodings.items():
        seconds = mean_seconds(runs)
        best = max(runs, key=lambda run: run["images_per_second"])
        step_rows.append((SHAPES.get(shape, shape), encoding, best["batch"], "%.2f ms" % (1e3 * seconds), "%.3f" % (seconds / absolute) if absolute else "", "%.0f" % (best["batch"] / seconds),
                          "%.1f %%" % (100 * best["model_flop_share"]), "%.3f ms" % (1e3 * best["exp_seconds_per_step"]), "%.2f GiB" % (best["peak_mib"] / 1024)))
    if absolute and "liere_64" in encodings:
        goal("LieRE_64's step beside the absolute table's, " + SHAPES.get(shape, shape), mean_seconds(encodings["liere_64"]) / absolute, "%.3f", "<= 1.05", lambda value: value <= 1.05)
    for encoding in ("absolute", "liere_64"):
        if encoding in encodings and shape != "cifar100small":
            goal("MFU, %s, %s" % (encoding, SHAPES.get(shape, shape)), 100 * max(run["model_flop_share"] for run in encodings[encoding]), "%.1f %%", ">= 40 %", lambda value: value >= 40)
    if shape == "cifar100" and len(encodings.get("absolute", [])) > 1:
        first, last = encodings["absolute"][0], encodings["absolute"][-1]
        drift = 100 * (last["seconds_per_step"] / first["seconds_per_step"] - 1)
peer_rows = []
for name in sorted(glob.glob(os.path.join(folder, "peer_step_*.json"))):
    for figure in load(os.path.basename(name)) or []:
        where = (figure["encoding"] + (", compiled" if figure["compiled"] else ""), figure["grid"], figure["batch"])
        if figure.get("out_of_memory"): peer_rows.append((*where, "out of memory", "", "> " + gib(figure["memory_bytes"])))
        else: peer_rows.append((*where, "%.2f ms" % (1e3 * figure["seconds_per_step"]), "%.0f" % figure["images_per_second"], gib(figure["peak_bytes"])))

# --- the page
smi = [part.strip() for part in text("nvidia-smi.txt").split("\n")[0].split(",")] + [""] * 9
print("# GPU check\n")
print("%s, driver %s (CUDA %s), compute capability %s, %s; clocks: SM %s now, %s at most, memory %s; power limit %s; %s C; python3's torch: %s; %s\n"
      % (smi[0], smi[1], text("cuda.txt") or "unknown", smi[2], smi[3], smi[5], smi[4], smi[6], smi[7], smi[8], text("torch.txt") or "none", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")))
table(("figure", "measured", "goal", "met"), goals)
ceilings = {figure["figure"]: figure for figure in load("peer_ceilings.json") or []}
if copy: print("Copy on the device, by liere-bench: %.2f TB/s (read and written).\n" % (copy / 1e12))
if "copy" in ceilings: print("By PyTorch: copy %.2f TB/s, bf16 product of side %d %.0f TFLOP/s.\n" % (ceilings["copy"]["bytes_per_second"] / 1e12, ceilings["product"]["side"], ceilings["product"]["flop_per_second"] / 1e12))
if step_rows: print("## Training steps (ViT-B, bf16, dropout 0.1)\n")
table(("shape", "encoding", "batch", "step", "beside absolute", "images/s", "MFU", "exp and its gradient", "memory"), step_rows)
if "drift" in globals(): print("The absolute table was timed first and last: the last took %+.1f %%.\n" % drift)
if peer_rows: print("PyTorch:\n")
table(("encoding", "tokens", "batch", "step", "images/s", "memory"), peer_rows)
if exp_rows: print("## exp of skew-symmetric blocks (144 layers x heads unless said otherwise)\n")
table(("block", "grid", "matrices", "form", "forward", "forward + backward", "x torch", "error of R", "of dA", "memory"), exp_rows)
if apply_rows: print("## Turning queries and keys\n")
table(("block", "tokens", "batch", "dtype", "form", "forward", "of copy", "backward", "of copy", "memory"), apply_rows)
summary, lines = load("train_summary.json"), text("train_metrics.jsonl").split("\n")
logged = [json.loads(line) for line in lines if '"event":"train"' in line]
if logged:
    middle = sorted(line["samples_per_second"] for line in logged)[len(logged) // 2]
    last = logged[-1]
    print("## Training\n\n%d steps; %.0f images/s (median of logged steps), waiting for data %.0f %%, MFU %s, loss %.3f at step %d; %s\n"
          % (last["step"], middle, 100 * last.get("data_wait", 0), "%.1f %%" % (100 * last["mfu"]) if last.get("mfu") else "unknown", last["loss"], last["step"],
             "top-1 %.2f %% of %d test pictures" % (summary["final"]["top1"], summary["final"]["count"]) if summary and summary.get("final") else "not evaluated"))
for piece in ("tests", "sanitizer", "benches", "steps", "ranks", "train"):
    if text(piece + ".txt"): print("## Piece: %s\n\n```\n%s\n```\n" % (piece, text(piece + ".txt")))
if text("doctor.txt"): print("## liere-bench doctor\n\n```\n%s\n```" % text("doctor.txt"))
