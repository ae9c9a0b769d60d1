#!/usr/bin/env python3
"""CIFAR's training recipe (RandAugment(2, 14) of the released code, crop with padding 4, flip, normalisation) on one core: liere-bench beside Pillow and
numpy, in turn, by processor time; medians and their ratio.   usage: recipe_throughput.py LIERE_BENCH [--rounds 5] [--seconds 3]      needs pillow and numpy"""
import argparse, json, os, random, statistics, subprocess, tempfile, time
import numpy as np
from PIL import Image, ImageOps
from pillow_randaugment import randaugment

MEAN, STD = np.float32([.4914, .4822, .4465]), np.float32([.2023, .1994, .2010])


def recipe(i):
    i = ImageOps.expand(randaugment(i), 4)
    x, y = random.randint(0, 8), random.randint(0, 8)
    i = i.crop((x, y, x + 32, y + 32))
    if random.random() < .5: i = i.transpose(Image.FLIP_LEFT_RIGHT)
    return ((np.asarray(i, np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1).copy()


def rate(f, pictures, seconds):
    start, n = time.process_time(), 0
    while time.process_time() - start < seconds:
        for i in pictures: f(i)
        n += len(pictures)
    return n / (time.process_time() - start)


p = argparse.ArgumentParser()
p.add_argument("bench"); p.add_argument("--rounds", type=int, default=5); p.add_argument("--seconds", type=float, default=3); p.add_argument("--json")
a = p.parse_args()
pictures = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (32, 32, 3), np.uint8)) for n in range(64)]
rows = {"recipe": [], "randaugment": []}
for _ in range(a.rounds):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([a.bench, "recipe", "--config", "cifar100_liere.yaml", "--seconds", str(a.seconds), "--json", out.name], check=True, stdout=subprocess.DEVNULL)
        ours = json.load(open(out.name))
    rows["recipe"].append((ours["images_per_second"], rate(recipe, pictures, a.seconds)))
    rows["randaugment"].append((ours["randaugment_per_second"], rate(randaugment, pictures, a.seconds)))
result = {}
for name, pairs in rows.items():
    liere, pillow = (statistics.median(side) for side in zip(*pairs))
    result[name] = dict(liere=liere, pillow=pillow, ratio=statistics.median(l / q for l, q in pairs))
    print(f"{name:12} liere {liere:9.0f} images/s   Pillow {pillow:7.0f} images/s   ratio {result[name]['ratio']:.1f}")
if a.json: json.dump(result, open(a.json, "w"))
