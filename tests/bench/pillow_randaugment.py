"""RandAugment(2, 14) of the released code on Pillow pictures, for the measurements beside it: needs pillow and numpy."""
import random
import numpy as np
from PIL import Image, ImageEnhance, ImageOps

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
