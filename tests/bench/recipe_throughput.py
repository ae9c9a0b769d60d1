#!/usr/bin/env python3
"""CIFAR's training recipe (RandAugment(2, 14) of the released code, crop with padding 4, flip, normalisation) on one core: liere-bench beside Pillow and
numpy, in turn, by processor time; medians and their ratio.   usage: recipe_throughput.py LIERE_BENCH [--rounds 5] [--seconds 3]      needs pillow and numpy"""
import argparse, json, os, random, statistics, subprocess, tempfile, time
import numpy as np
from PIL import Image, ImageEnhance, ImageOps

MEAN, STD = np.float32([.4914, .4822, .4465]), np.float32([.2023, .1994, .2010])
FILL = (125, 123, 114)


def sign(v): return v if random.random() < .5 else -v
def affine(i, m): return i.transform(i.size, Image.AFFINE, m)
def solarize_add(i, v):
    a = np.asarray(i).astype(int)
    return ImageOps.solarize(Image.fromarray(np.clip(a + int(v), 0, 255).astype(np.uint8)), 128)
def cutout(i, v):
    w, h = i.size
    x, y = int(max(0, random.uniform(0, w) - v / 2)), int(max(0, random.uniform(0, h) - v / 2))
    i = i.copy()
    i.paste(FILL, (x, y, int(min(w, x + v)), int(min(h, y + v))))
    return i


OPERATIONS = [(lambda i, v: ImageOps.autocontrast(i), 0, 1), (lambda i, v: ImageOps.equalize(i), 0, 1), (lambda i, v: ImageOps.invert(i), 0, 1), (lambda i, v: i.rotate(sign(v)), 0, 30),
              (lambda i, v: ImageOps.posterize(i, max(1, int(v))), 0, 4), (lambda i, v: ImageOps.solarize(i, v), 0, 256), (solarize_add, 0, 110),
              (lambda i, v: ImageEnhance.Color(i).enhance(v), .1, 1.9), (lambda i, v: ImageEnhance.Contrast(i).enhance(v), .1, 1.9),
              (lambda i, v: ImageEnhance.Brightness(i).enhance(v), .1, 1.9), (lambda i, v: ImageEnhance.Sharpness(i).enhance(v), .1, 1.9),
              (lambda i, v: affine(i, (1, sign(v), 0, 0, 1, 0)), 0, .3), (lambda i, v: affine(i, (1, 0, 0, sign(v), 1, 0)), 0, .3), (cutout, 0, 40),
              (lambda i, v: affine(i, (1, 0, sign(v), 0, 1, 0)), 0, 100), (lambda i, v: affine(i, (1, 0, 0, 0, 1, sign(v))), 0, 100)]


def randaugment(i):
    for f, low, high in random.choices(OPERATIONS, k=2): i = f(i, 14 / 30 * (high - low) + low)
    return i


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
