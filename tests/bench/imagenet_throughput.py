#!/usr/bin/env python3
"""ImageNet's recipes on one core: tests/bench/picture_throughput beside torchvision on Pillow, in turn, by processor time; medians and their ratio.
  released    decode, RandAugment(2, 14) of the released code, RandomResizedCrop(224), flip, to tensor, normalise
  crop_first  the same with RandAugment on the 224x224 crop
  evaluation  decode, Resize(256), CenterCrop(224), to tensor, normalise
  decode      JPEG to RGB alone
usage: imagenet_throughput.py PICTURE_THROUGHPUT FOLDER [--rounds 5] [--seconds 3] [--orders released,...] [--json FILE]      needs pillow, torch and torchvision"""
import argparse, io, json, pathlib, statistics, subprocess, time
import torch
from PIL import Image
from torchvision import transforms
from pillow_randaugment import randaugment

torch.set_num_threads(1)
TO_TENSOR = [transforms.ToTensor(), transforms.Normalize([.485, .456, .406], [.229, .224, .225])]
CROP, FLIP = transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()
RECIPES = {"released": transforms.Compose([randaugment, CROP, FLIP, *TO_TENSOR]), "crop_first": transforms.Compose([CROP, randaugment, FLIP, *TO_TENSOR]),
           "evaluation": transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), *TO_TENSOR]), "decode": lambda i: i}


def rate(recipe, files, seconds):
    start, n = time.process_time(), 0
    while time.process_time() - start < seconds:
        for data in files: recipe(Image.open(io.BytesIO(data)).convert("RGB"))
        n += len(files)
    return n / (time.process_time() - start)


p = argparse.ArgumentParser()
p.add_argument("program"); p.add_argument("folder"); p.add_argument("--rounds", type=int, default=5); p.add_argument("--seconds", type=float, default=3)
p.add_argument("--orders", default=",".join(RECIPES)); p.add_argument("--json")
a = p.parse_args()
files = [f.read_bytes() for f in sorted(pathlib.Path(a.folder).rglob("*.JPEG"))]
result = {}
for order in a.orders.split(","):
    runs = []
    for _ in range(a.rounds):
        ours = json.loads(subprocess.run([a.program, a.folder, "--order", order, "--seconds", str(a.seconds)], check=True, capture_output=True, text=True).stdout)
        runs.append((ours, rate(RECIPES[order], files, a.seconds)))
    row = {stage: statistics.median(ours[stage] for ours, _ in runs) for stage in runs[0][0] if stage != "order"}
    row["torchvision"] = statistics.median(theirs for _, theirs in runs)
    row["ratio"] = statistics.median(ours["pictures_per_second"] / theirs for ours, theirs in runs)
    result[order] = row
    print(f"{order:10} liere {row['pictures_per_second']:6.0f} pictures/s   torchvision {row['torchvision']:6.0f} pictures/s   ratio {row['ratio']:.2f}   us per picture: decode "
          f"{row['decode_us']:.0f}, augment and resize {row['transform_us']:.0f}, normalise {row['normalize_us']:.0f}", flush=True)
if a.json: json.dump(result, open(a.json, "w"))
