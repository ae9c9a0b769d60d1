"""Writes augment_synthetic.safetensors: picture operations done by Pillow on pictures drawn from a formula.

Usage: python make_augment.py [OUTPUT]      needs pillow 12, numpy, safetensors

Names of the tensors (k = number of arguments, P = picture):
  in.P                          uint8 [H, W, 3]
  KIND.OP.mag                   float64 [k]     magnitude (released: 0..30; torchvision: bin)
  KIND.OP.arg.P                 float64 [k]     argument with its sign
  KIND.OP.out.P                 uint8 [k, H, W, 3]
  released.CutoutAbs.centre.P   float64 [k, 2]  x, y
  resize.HxW.FILTER.P           uint8 [H, W, 3]
  crop_flip.cases / .out.P      int32 [k, 3] (row, column, flip) of a crop of the picture padded by 4 zeros; uint8 [k, H, W, 3]
  hue.shift / .out.P            float64 [k] in turns; uint8 [k, H, W, 3]    P also `colours`, a grid through the cube of colours
  blur.radius / .out.P          float64 [k]; uint8 [k, H, W, 3]
  grey.out.P                    uint8 [H, W, 3]
"""

import math
import sys

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from safetensors.numpy import save_file

SIZES = {"square": (32, 32), "odd": (17, 23)}
MAGNITUDES = (5.0, 27.0)
BINS = (4, 9, 30)
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def picture(height, width, salt):
    """Waves, a gradient and a checkerboard: every operation changes it, and no two channels are alike."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    value = (7 + 4 * c) * x + (13 - 3 * c) * y + 29 * c + 5 * ((x * y) >> 3) + 40 * ((x // 4 + y // 4) % 2) + salt
    return (10 + value % (180 + 20 * c)).astype(np.uint8)


def affine(image, *matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.NEAREST, fillcolor=(0, 0, 0))


def solarize_add(image, addend):
    added = np.clip(np.asarray(image).astype(np.float64) + addend, 0, 255).astype(np.uint8)
    return ImageOps.solarize(Image.fromarray(added), 128)


def cutout(image, side, centre):
    (width, height), (cx, cy) = image.size, centre
    x0, y0 = int(max(0, cx - side / 2)), int(max(0, cy - side / 2))
    result = image.copy()
    ImageDraw.Draw(result).rectangle((x0, y0, min(width, x0 + side), min(height, y0 + side)), (125, 123, 114))
    return result


def enhance(kind):
    return lambda image, factor: kind(image).enhance(factor)


def shear_angle(slope):
    return math.radians(math.degrees(math.atan(slope)))


# name: ((signed, lowest, highest), operation); value = magnitude / 30 * (highest - lowest) + lowest
RELEASED = {
    "AutoContrast": (None, lambda image, v: ImageOps.autocontrast(image)),
    "Equalize": (None, lambda image, v: ImageOps.equalize(image)),
    "Invert": (None, lambda image, v: ImageOps.invert(image)),
    "Rotate": ((True, 0, 30), lambda image, v: image.rotate(v)),
    "Posterize": ((False, 0, 4), lambda image, v: ImageOps.posterize(image, max(1, int(v)))),
    "Solarize": ((False, 0, 256), lambda image, v: ImageOps.solarize(image, v)),
    "SolarizeAdd": ((False, 0, 110), solarize_add),
    "Color": ((False, 0.1, 1.9), enhance(ImageEnhance.Color)),
    "Contrast": ((False, 0.1, 1.9), enhance(ImageEnhance.Contrast)),
    "Brightness": ((False, 0.1, 1.9), enhance(ImageEnhance.Brightness)),
    "Sharpness": ((False, 0.1, 1.9), enhance(ImageEnhance.Sharpness)),
    "ShearX": ((True, 0, 0.3), lambda image, v: affine(image, 1, v, 0, 0, 1, 0)),
    "ShearY": ((True, 0, 0.3), lambda image, v: affine(image, 1, 0, 0, v, 1, 0)),
    "CutoutAbs": ((False, 0, 40), None),
    "TranslateXabs": ((True, 0, 100), lambda image, v: affine(image, 1, 0, v, 0, 1, 0)),
    "TranslateYabs": ((True, 0, 100), lambda image, v: affine(image, 1, 0, 0, 0, 1, v)),
}

# name: ((signed, first, last), operation); the argument is an entry of a float32 linspace of 31 values. last = "W" / "H": 150/331 of the width / height
TORCHVISION = {
    "Identity": (None, lambda image, m: image),
    "ShearX": ((True, 0, 0.3), lambda image, m: affine(image, 1, math.tan(shear_angle(m)), 0, 0, 1, 0)),
    "ShearY": ((True, 0, 0.3), lambda image, m: affine(image, 1, 0, 0, math.sin(shear_angle(m)) / math.cos(shear_angle(m)), 1, 0)),
    "TranslateX": ((True, 0, "W"), lambda image, m: affine(image, 1, 0, -int(m), 0, 1, 0)),
    "TranslateY": ((True, 0, "H"), lambda image, m: affine(image, 1, 0, 0, 0, 1, -int(m))),
    "Rotate": ((True, 0, 30), lambda image, m: image.rotate(m)),
    "Brightness": ((True, 0, 0.9), lambda image, m: ImageEnhance.Brightness(image).enhance(1 + m)),
    "Color": ((True, 0, 0.9), lambda image, m: ImageEnhance.Color(image).enhance(1 + m)),
    "Contrast": ((True, 0, 0.9), lambda image, m: ImageEnhance.Contrast(image).enhance(1 + m)),
    "Sharpness": ((True, 0, 0.9), lambda image, m: ImageEnhance.Sharpness(image).enhance(1 + m)),
    "Posterize": ("bits", lambda image, m: ImageOps.posterize(image, int(m))),
    "Solarize": ((False, 255, 0), lambda image, m: ImageOps.solarize(image, m)),
    "AutoContrast": (None, lambda image, m: ImageOps.autocontrast(image)),
    "Equalize": (None, lambda image, m: ImageOps.equalize(image)),
}


def linspace_bin(first, last, index):
    first, last = np.float32(first), np.float32(last)
    step = np.float32((last - first) / np.float32(30))
    if index < 15:
        return float(np.float32(step * np.float32(index)) + first)
    return float(np.float32(np.float64(last) - np.float64(step) * (30 - index)))


def with_signs(levels, signed):
    return [(m, sign) for m in levels for sign in ((1, -1) if signed else (1,))]


def released(out, images):
    for name, (scale, operation) in RELEASED.items():
        levels = with_signs(MAGNITUDES, scale[0]) if scale else [(14.0, 1)]
        out[f"released.{name}.mag"] = np.array([m for m, _ in levels])
        arguments = [sign * (m / 30 * (scale[2] - scale[1]) + scale[1]) if scale else 0.0 for m, sign in levels]
        for key, image in images.items():
            out[f"released.{name}.arg.{key}"] = np.array(arguments)
            if name == "CutoutAbs":
                centres = [(width + (1 - width) * u, height + (1 - height) * v) for (width, height) in [image.size] for u, v in ((0.0, 0.3), (0.5, 0.9), (0.999, 0.05))]
                out[f"released.{name}.centre.{key}"] = np.array(centres)
                results = [cutout(image, v, c) for v, c in zip(arguments, centres)]
            else:
                results = [operation(image, v) for v in arguments]
            out[f"released.{name}.out.{key}"] = np.stack([np.asarray(r) for r in results])


def torchvision(out, images):
    for name, (scale, operation) in TORCHVISION.items():
        levels = [(9, 1)] if scale is None else with_signs(BINS, scale != "bits" and scale[0])
        out[f"torchvision.{name}.mag"] = np.array([float(m) for m, _ in levels])
        for key, image in images.items():
            ends = {"W": 150.0 / 331.0 * image.size[0], "H": 150.0 / 331.0 * image.size[1]}
            if scale is None:
                arguments = [0.0]
            elif scale == "bits":
                arguments = [float(8 - round(m / 7.5)) for m, _ in levels]
            else:
                arguments = [sign * linspace_bin(scale[1], ends.get(scale[2], scale[2]), m) for m, sign in levels]
            out[f"torchvision.{name}.arg.{key}"] = np.array(arguments)
            out[f"torchvision.{name}.out.{key}"] = np.stack([np.asarray(operation(image, v)) for v in arguments])


def resize(out, images):
    for key, image in images.items():
        for height, width in ((9, 13), (32, 32), (17, 40), (1, 1)):
            for name, value in FILTERS.items():
                out[f"resize.{height}x{width}.{name}.{key}"] = np.asarray(image.resize((width, height), value))


def crop_flip(out, images):
    cases = [(4, 4, 0), (0, 8, 1), (3, 5, 0), (8, 0, 1)]
    out["crop_flip.cases"] = np.array(cases, np.int32)
    for key, image in images.items():
        width, height = image.size
        padded = ImageOps.expand(image, 4)
        results = [padded.crop((j, i, j + width, i + height)) for i, j, _ in cases]
        out[f"crop_flip.out.{key}"] = np.stack([np.asarray(ImageOps.mirror(r) if flip else r) for r, (_, _, flip) in zip(results, cases)])


def colours():
    """Every 17th value of the cube's red and green, blue in steps of 11 that shift from row to row: all sectors of the hue, greys and blacks among them."""
    y, x = np.meshgrid(np.arange(64), np.arange(64), indexing="ij")
    red, green, blue = 17 * (x % 16), 17 * (y % 16), (11 * (x // 16 * 4 + y // 16) + 5 * (x + y)) % 256
    return np.stack([red, green, np.where((x + y) % 13 == 0, red, blue)], -1).astype(np.uint8)


def turn_hue(image, shift):
    """torchvision's adjust_hue of a Pillow picture."""
    hue, saturation, value = image.convert("HSV").split()
    turned = np.asarray(hue) + np.int32(shift * 255).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert("RGB")


def hue(out, images):
    shifts = [-0.5, -0.1, 0.0, 0.003, 0.1, 0.37, 0.5]
    out["hue.shift"] = np.array(shifts)
    for key, image in {**images, "colours": Image.fromarray(out["in.colours"])}.items():
        out[f"hue.out.{key}"] = np.stack([np.asarray(turn_hue(image, shift)) for shift in shifts])


def blur(out, images):
    radii = [0.1, 0.5, 0.77, 1.0, 1.9999, 2.0, 5.5, 40.0]
    out["blur.radius"] = np.array(radii)
    for key, image in images.items():
        out[f"blur.out.{key}"] = np.stack([np.asarray(image.filter(ImageFilter.GaussianBlur(radius))) for radius in radii])
        out[f"grey.out.{key}"] = np.asarray(image.convert("L").convert("RGB"))


def main():
    if not PIL.__version__.startswith("12."):
        sys.exit(f"expected Pillow 12 (13 exchanges the passes of some resizes), found {PIL.__version__}")
    out = {}
    images = {key: Image.fromarray(picture(*size, salt=31 * i)) for i, (key, size) in enumerate(SIZES.items())}
    for key, image in images.items():
        out[f"in.{key}"] = np.asarray(image)
    released(out, images)
    torchvision(out, {"odd": images["odd"]})
    resize(out, images)
    crop_flip(out, images)
    out["in.colours"] = colours()
    hue(out, images)
    blur(out, images)
    out = {name: np.ascontiguousarray(value) for name, value in out.items()}
    save_file(out, sys.argv[1] if len(sys.argv) > 1 else "augment_synthetic.safetensors", {"pillow": PIL.__version__, "numpy": np.__version__})


if __name__ == "__main__":
    main()
