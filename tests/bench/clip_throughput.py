#!/usr/bin/env python3
"""UCF101's recipes on one core: tests/bench/clip_throughput beside the paper's way in Python (PyAV, RandAugment on Pillow pictures, torch), in turn, by processor time; medians and ratios.
  train    decode up to the last frame of a clip of 8, convert those, RandAugment rand-m7-n4-mstd0.5-inc1, to tensor, normalise, crop, resize to 224, flip, erase
  augment  the same from frames in memory
  eval     all 15 views of a video from one decode (OpenCV's resize), normalised
usage: clip_throughput.py CLIP_THROUGHPUT FOLDER [--rounds 5] [--seconds 3] [--modes train,...] [--json FILE]      needs av, pillow, numpy, torch and opencv"""
import argparse, io, json, math, pathlib, random, statistics, subprocess, time
import av, cv2, numpy as np, torch
from PIL import Image, ImageEnhance, ImageOps

torch.set_num_threads(1); cv2.setNumThreads(1)
MEAN, STD = torch.tensor([.485, .456, .406]), torch.tensor([.229, .224, .225])


def affine(i, m): return i.transform(i.size, Image.AFFINE, m, resample=Image.BICUBIC, fillcolor=(128, 128, 128))
def solarize_add(i, a): return i.point([min(255, p + a) if p < 128 else p for p in range(256)] * 3)
def enhance(kind): return lambda i, f: kind(i).enhance(1 + f)


# operation, argument at level 1, signed
OPERATIONS = [(lambda i, v: ImageOps.autocontrast(i), 0, 0), (lambda i, v: ImageOps.equalize(i), 0, 0), (lambda i, v: ImageOps.invert(i), 0, 0),
              (lambda i, v: i.rotate(v, resample=Image.BICUBIC, fillcolor=(128, 128, 128)), 30, 1), (lambda i, v: ImageOps.posterize(i, max(1, 4 - int(v))), 4, 0),
              (lambda i, v: ImageOps.solarize(i, 256 - int(v)), 256, 0), (lambda i, v: solarize_add(i, int(v)), 110, 0), (enhance(ImageEnhance.Color), .9, 1),
              (enhance(ImageEnhance.Contrast), .9, 1), (enhance(ImageEnhance.Brightness), .9, 1), (enhance(ImageEnhance.Sharpness), .9, 1),
              (lambda i, v: affine(i, (1, v, 0, 0, 1, 0)), .3, 1), (lambda i, v: affine(i, (1, 0, 0, v, 1, 0)), .3, 1),
              (lambda i, v: affine(i, (1, 0, v * i.size[0], 0, 1, 0)), .45, 1), (lambda i, v: affine(i, (1, 0, 0, 0, 1, v * i.size[1])), .45, 1)]


def draw_operations():
    drawn = []
    for operation, scale, signed in random.choices(OPERATIONS, k=4):
        if random.random() > .5: continue
        v = min(10, max(0, random.gauss(7, .5))) / 10 * scale
        drawn.append((operation, -v if signed and random.random() > .5 else v))
    return drawn


def augment(frames):
    pictures = [Image.fromarray(f) for f in frames]
    for operation, v in draw_operations(): pictures = [operation(p, v) for p in pictures]
    x = torch.stack([torch.from_numpy(np.array(p)).permute(2, 0, 1).float().div(255) for p in pictures]).permute(0, 2, 3, 1)
    x = ((x - MEAN) / STD).permute(3, 0, 1, 2)
    height, width = x.shape[2:]
    h, w, top, left = height, width, 0, 0
    for _ in range(10):
        area, aspect = random.uniform(.08, 1) * height * width, math.exp(random.uniform(math.log(.75), math.log(1.3333)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height: break
        h, w = height, width
    top, left = random.randint(0, height - h), random.randint(0, width - w)
    x = torch.nn.functional.interpolate(x[:, :, top:top + h, left:left + w], size=(224, 224), mode="bilinear", align_corners=False)
    if random.random() < .5: x = x.flip(3)
    x = x.permute(1, 0, 2, 3)
    if random.random() <= .25:
        for _ in range(100):
            area, aspect = random.uniform(.02, 1 / 3) * 224 * 224, math.exp(random.uniform(math.log(.3), math.log(1 / .3)))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if h < 224 and w < 224: break
        top, left = random.randint(0, 224 - h), random.randint(0, 224 - w)
        for f in x: f[:, top:top + h, left:left + w] = torch.empty(3, h, w).normal_()
    return x.permute(1, 0, 2, 3).contiguous()


def decode(data, wanted):
    """The wanted frames, decoded in order up to the last and no further; only they are converted."""
    last, found, wanted_set = max(wanted), {}, set(wanted)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        for n, frame in enumerate(container.decode(stream)):
            if n in wanted_set: found[n] = frame.to_ndarray(format="rgb24")
            if n >= last: break
    return [found[i] for i in wanted]


def train_frames(n):
    if n <= 32: return [min(int(i), n - 1) for i in np.r_[np.linspace(0, n, n // 4), [n] * 8][:8]]
    end = random.randint(32, n - 1)
    return [min(int(i), end - 1) for i in np.linspace(end - 32, end, 8)]


def evaluate(data, n):
    strided = list(range(0, n, 4))
    strided += [strided[-1]] * (8 - len(strided))
    frames = dict(zip(sorted(set(strided)), decode(data, sorted(set(strided)))))
    height, width = frames[0].shape[:2]
    size = (int(224 * width / height), 224)
    frames = {i: cv2.resize(f, size, interpolation=cv2.INTER_LINEAR) for i, f in frames.items()}
    step, across = (len(strided) - 8) / 4, (size[0] - 224) / 2
    views = []
    for k in range(5):
        clip = np.stack([frames[i] for i in strided[int(k * step):int(k * step) + 8]])
        for c in range(3):
            x = torch.from_numpy(clip[:, :, int(c * across):int(c * across) + 224]).float().div(255)
            views.append(((x - MEAN) / STD).permute(3, 0, 1, 2).contiguous())
    return views


def rate(mode, files, seconds):
    held = [decode(data, [0, 4, 8, 12, 16, 20, 24, 28]) for data, _ in files] if mode == "augment" else None
    start, n = time.process_time(), 0
    while time.process_time() - start < seconds:
        for i, (data, count) in enumerate(files):
            if mode == "train": augment(decode(data, train_frames(count)))
            elif mode == "augment": augment(held[i])
            else: evaluate(data, count)
        n += len(files)
    return n / (time.process_time() - start)


p = argparse.ArgumentParser()
p.add_argument("program"); p.add_argument("folder"); p.add_argument("--rounds", type=int, default=5); p.add_argument("--seconds", type=float, default=3)
p.add_argument("--modes", default="train,augment,eval"); p.add_argument("--json")
a = p.parse_args()
files = []
for f in sorted(pathlib.Path(a.folder).rglob("*.avi")):
    data = f.read_bytes()
    with av.open(io.BytesIO(data)) as container: files.append((data, sum(1 for _ in container.decode(video=0))))
result = {}
for mode in a.modes.split(","):
    runs = []
    for _ in range(a.rounds):
        ours = json.loads(subprocess.run([a.program, a.folder, "--mode", mode, "--seconds", str(a.seconds)], check=True, capture_output=True, text=True).stdout)
        runs.append((ours, rate(mode, files, a.seconds)))
    row = {key: statistics.median(ours[key] for ours, _ in runs) for key in runs[0][0] if key != "mode"}
    row["python"] = statistics.median(theirs for _, theirs in runs)
    row["ratio"] = statistics.median(ours["videos_per_second"] / theirs for ours, theirs in runs)
    result[mode] = row
    print(f"{mode:8} liere {row['videos_per_second']:6.1f} videos/s   python {row['python']:6.1f} videos/s   ratio {row['ratio']:.2f}   ms per video: decode {row['decode_us'] / 1e3:.1f}, "
          f"rest {row['rest_us'] / 1e3:.2f}   peak {row['peak_mib']:.0f} MiB", flush=True)
if a.json: json.dump(result, open(a.json, "w"))
