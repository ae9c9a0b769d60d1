"""Writes clip_synthetic.safetensors: the steps of clips done by Pillow, torch and OpenCV on pictures drawn from a formula (make_augment.py).

Usage: python make_clip.py [OUTPUT]      needs pillow 12, numpy, torch, opencv, safetensors

Names of the tensors:
  in.odd                        uint8 [17, 23, 3]
  OP.mag .negated .arg .out.odd float64 [k] each, uint8 [k, 17, 23, 3]: the 15 operations of rand-mM-nN-mstdS-inc1
  clip                          uint8 [2, 17, 23, 3]
  crop.K.box / crop.K           int32 [4] top, left, height, width; float32 [3, 2, 12, 12]: torch's bilinear without antialias of the normalised (ImageNet) clip
  cv.S                          uint8 [2, h, w, 3]: short side S by OpenCV's INTER_LINEAR
"""

import sys

import cv2
import numpy as np
import PIL
import torch
from PIL import Image, ImageEnhance, ImageOps
from safetensors.numpy import save_file

from make_augment import picture

FILL = (128, 128, 128)


def affine(image, *matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BICUBIC, fillcolor=FILL)


def solarize_add(image, addend):
    return image.point([min(255, p + int(addend)) if p < 128 else p for p in range(256)] * 3)


def enhance(kind):
    return lambda image, factor: kind(image).enhance(factor)


# name: (signed, level / 10 -> argument, with sign; operation)
INCREASING = {
    "AutoContrast": (False, lambda v: 0.0, lambda image, a: ImageOps.autocontrast(image)),
    "Equalize": (False, lambda v: 0.0, lambda image, a: ImageOps.equalize(image)),
    "Invert": (False, lambda v: 0.0, lambda image, a: ImageOps.invert(image)),
    "Rotate": (True, lambda v: v * 30.0, lambda image, a: image.rotate(a, resample=Image.Resampling.BICUBIC, fillcolor=FILL)),
    "PosterizeIncreasing": (False, lambda v: 4.0 - int(v * 4), lambda image, a: ImageOps.posterize(image, int(a))),
    "SolarizeIncreasing": (False, lambda v: 256.0 - int(v * 256), lambda image, a: ImageOps.solarize(image, int(a))),
    "SolarizeAdd": (False, lambda v: float(int(v * 110)), solarize_add),
    "ColorIncreasing": (True, lambda v: v * 0.9, enhance(ImageEnhance.Color)),
    "ContrastIncreasing": (True, lambda v: v * 0.9, enhance(ImageEnhance.Contrast)),
    "BrightnessIncreasing": (True, lambda v: v * 0.9, enhance(ImageEnhance.Brightness)),
    "SharpnessIncreasing": (True, lambda v: v * 0.9, enhance(ImageEnhance.Sharpness)),
    "ShearX": (True, lambda v: v * 0.3, lambda image, a: affine(image, 1, a, 0, 0, 1, 0)),
    "ShearY": (True, lambda v: v * 0.3, lambda image, a: affine(image, 1, 0, 0, a, 1, 0)),
    "TranslateXRel": (True, lambda v: v * 0.45, lambda image, a: affine(image, 1, 0, a * image.size[0], 0, 1, 0)),
    "TranslateYRel": (True, lambda v: v * 0.45, lambda image, a: affine(image, 1, 0, 0, 0, 1, a * image.size[1])),
}


def main():
    if not PIL.__version__.startswith("12."):
        sys.exit(f"expected Pillow 12 (13 refuses to posterize to 0 bits), found {PIL.__version__}")
    image = Image.fromarray(picture(17, 23, 31))
    out = {"in.odd": np.asarray(image)}
    for name, (signed, argument, operation) in INCREASING.items():
        levels = [(m, s) for m in (3.3, 7.25) for s in ((0, 1) if signed else (0,))]
        arguments = [(-1) ** s * argument(m / 10) + (1.0 if signed and "Increasing" in name else 0.0) for m, s in levels]
        out[f"{name}.mag"] = np.array([m for m, _ in levels])
        out[f"{name}.negated"] = np.array([float(s) for _, s in levels])
        out[f"{name}.arg"] = np.array(arguments)
        out[f"{name}.out.odd"] = np.stack([np.asarray(operation(image, a)) for a in arguments])
    clip = np.stack([picture(17, 23, 31), picture(17, 23, 90)])
    out["clip"] = clip
    normalised = ((torch.from_numpy(clip).float() / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])).permute(3, 0, 1, 2)
    for name, (top, left, height, width) in {"up": (3, 2, 7, 9), "down": (0, 1, 17, 21), "thin": (5, 0, 1, 23)}.items():
        out[f"crop.{name}.box"] = np.array([top, left, height, width], np.int32)
        box = normalised[:, :, top : top + height, left : left + width]
        out[f"crop.{name}"] = torch.nn.functional.interpolate(box, size=(12, 12), mode="bilinear", align_corners=False).numpy()
    for side in (12, 24):
        out[f"cv.{side}"] = np.stack([cv2.resize(frame, (int(side * 23 / 17), side), interpolation=cv2.INTER_LINEAR) for frame in clip])
    versions = {"pillow": PIL.__version__, "numpy": np.__version__, "torch": torch.__version__, "opencv": cv2.__version__}
    save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, sys.argv[1] if len(sys.argv) > 1 else "clip_synthetic.safetensors", versions)


if __name__ == "__main__":
    main()
