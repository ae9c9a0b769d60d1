#!/usr/bin/env python3
"""Does liere-train take the steps that PyTorch takes? Trains cifar100_peer_*.yaml again in PyTorch, written from docs/numerics.md alone (initial values, order, dropout masks), with Pillow
for RandAugment and torch.matrix_exp with autograd for the rotations, and compares loss and gradient norm with what the run logged, step by step. Needs torch, safetensors, pillow.

  liere-train --config cifar100_peer_liere_8.yaml data.root=DATA threads=1 train.steps=20 log.every_steps=1 --output RUN
  tests/bench/replica.py RUN DATA [--steps 20]                                  from the start
  tests/bench/replica.py RUN DATA --checkpoint RUN/checkpoints/step-N.safetensors    from a checkpoint of epoch 0 or later, Adam's moments included
  tests/bench/replica.py RUN DATA --checkpoint FILE --test                      top-1 and loss of the checkpoint on the test set instead

Exit code 1 if a loss differs by more than 1e-5 or a gradient norm by more than 1e-4, relatively (later steps drift apart: rounding grows in any training)."""
import argparse, json, math, pathlib, re, sys
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from PIL import Image, ImageEnhance, ImageOps
from safetensors import safe_open

# --- docs/numerics.md, random numbers
PARAMETER, DROPOUT, ORDER, AUGMENTATION = 1, 2, 3, 4
M32, M64 = (1 << 32) - 1, (1 << 64) - 1
def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & M64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & M64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & M64
    return x ^ (x >> 31)
def stream_key(seed, purpose): return mix(mix(seed) ^ purpose)
def named_seed(seed, name):
    h = 0xCBF29CE484222325
    for byte in name.encode(): h = ((h ^ byte) * 0x100000001B3) & M64
    return mix(mix(seed) ^ h)
def philox(c0, c1, c2, c3, key):  # integers, or arrays of uint64
    k0, k1 = key & M32, key >> 32
    for _ in range(10):
        p, q = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (q >> 32) ^ c1 ^ k0, q & M32, (p >> 32) ^ c3 ^ k1, p & M32
        k0, k1 = (k0 + 0x9E3779B9) & M32, (k1 + 0xBB67AE85) & M32
    return c0, c1, c2, c3
def words(a, b, c, draws, key):  # of the blocks (a, b, c, draw), arrays that broadcast: [..., 4 draws]
    a, b, c, draws = np.broadcast_arrays(*(np.asarray(x, np.uint64) for x in (a, b, c, draws)))
    return np.stack(philox(a, b, c, draws, key), -1).reshape(*draws.shape[:-1], -1)
def bounded(next_word, n):
    while True:
        m = next_word() * n
        if (m & M32) >= (1 << 32) % n: return m >> 32
class Rng:
    def __init__(s, seed, purpose, a=0, b=0, c=0): s.key, s.counter, s.block, s.draw = stream_key(seed, purpose), (a, b, c), [], 0
    def word(s):
        if not s.block: s.block, s.draw = list(philox(*s.counter, s.draw, s.key)), s.draw + 1
        return s.block.pop(0)
    def uniform(s): low = s.word(); return ((low | s.word() << 32) >> 11) / 2**53
    def coin(s): return s.uniform() < 0.5
    def integer(s, n): return bounded(s.word, n)
def permutation(seed, epoch, n):
    stream, order = iter(words(epoch, 0, 0, np.arange(n // 4 + 100), stream_key(seed, ORDER)).tolist()), list(range(n))
    for i in range(n - 1, 0, -1):
        j = bounded(stream.__next__, i + 1)
        order[i], order[j] = order[j], order[i]
    return order
def initial(seed, name, shape, low=None, high=None):  # uniform, or N(0, 1) without bounds
    n = math.prod(shape)
    u = (words(0, 0, 0, np.arange((n + 3) // 4), stream_key(named_seed(seed, name), PARAMETER)) + 0.5) / 2**32
    if low is not None: v = low + (high - low) * u
    else:
        r, t = np.sqrt(-2 * np.log(u[0::2])), 2 * np.pi * u[1::2]
        v = np.stack([r * np.cos(t), r * np.sin(t)], -1).reshape(-1)
    return torch.from_numpy(v[:n].astype(np.float32)).view(shape)

# --- the data recipe: RandAugment(2, 14 of 30), crop with padding 4, flip
def affine(i, m): return i.transform(i.size, Image.AFFINE, m)
def solarize_add(i, v):
    q = np.clip(np.asarray(i).astype(int) + int(v), 0, 255)
    return Image.fromarray(np.where(q < 128, q, 255 - q).astype(np.uint8))
def cutout(i, v, cx, cy):
    (w, h), a = i.size, np.array(i)
    x, y = int(max(0, cx - v / 2)), int(max(0, cy - v / 2))
    a[y:int(min(h, y + v)) + 1, x:int(min(w, x + v)) + 1] = (125, 123, 114)
    return Image.fromarray(a)
SIGN, CENTRE = 1, 2
OPERATIONS = [(lambda i, v: ImageOps.autocontrast(i), 0, 0, 0), (lambda i, v: ImageOps.equalize(i), 0, 0, 0), (lambda i, v: ImageOps.invert(i), 0, 0, 0), (lambda i, v: i.rotate(v), 0, 30, SIGN),
              (lambda i, v: ImageOps.posterize(i, max(1, int(v))), 0, 4, 0), (lambda i, v: ImageOps.solarize(i, v), 0, 256, 0), (solarize_add, 0, 110, 0),
              (lambda i, v: ImageEnhance.Color(i).enhance(v), .1, 1.9, 0), (lambda i, v: ImageEnhance.Contrast(i).enhance(v), .1, 1.9, 0),
              (lambda i, v: ImageEnhance.Brightness(i).enhance(v), .1, 1.9, 0), (lambda i, v: ImageEnhance.Sharpness(i).enhance(v), .1, 1.9, 0),
              (lambda i, v: affine(i, (1, v, 0, 0, 1, 0)), 0, .3, SIGN), (lambda i, v: affine(i, (1, 0, 0, v, 1, 0)), 0, .3, SIGN), (cutout, 0, 40, CENTRE),
              (lambda i, v: affine(i, (1, 0, v, 0, 1, 0)), 0, 100, SIGN), (lambda i, v: affine(i, (1, 0, 0, 0, 1, v)), 0, 100, SIGN)]
def augmented(picture, seed, epoch, sample):
    rng, drawn = Rng(seed, AUGMENTATION, epoch, sample), []
    for _ in range(2):
        f, low, high, draw = OPERATIONS[rng.integer(16)]
        v, centre = 14 / 30 * (high - low) + low, ()
        if draw == SIGN and rng.coin(): v = -v
        if draw == CENTRE: centre = (32 - 31 * rng.uniform(), 32 - 31 * rng.uniform())
        drawn.append((f, v, centre))
    top, left, flip = rng.integer(9), rng.integer(9), rng.coin()
    i = Image.fromarray(picture)
    for f, v, centre in drawn: i = f(i, v, *centre)
    i = ImageOps.expand(i, 4).crop((left, top, left + 32, top + 32))
    return np.asarray(i.transpose(Image.FLIP_LEFT_RIGHT) if flip else i)
MEAN, STD = np.float32([.4914, .4822, .4465]), np.float32([.2023, .1994, .2010])
def normalised(pictures): return torch.from_numpy(((pictures.astype(np.float32) / np.float32(255) - MEAN) / STD).transpose(0, 3, 1, 2).copy())

# --- the model: width W, H heads of D, L layers, blocks of B, a grid of G x G patches
W, H, D, L, B, G, MLP, CLASSES, P = 128, 2, 64, 6, 8, 8, 256, 100, 0.1
def dropout(x, at, layer, site):  # at = (seed, step), None in evaluation
    if at is None: return x
    w = words(at[1], np.arange(len(x))[:, None], layer * 8 + site, np.arange(x[0].numel() // 4)[None], stream_key(at[0], DROPOUT))
    return x * torch.from_numpy((w.reshape(x.shape) >= math.ceil(P * 2**32)).astype(np.float32)) / (1 - P)
class Block(nn.Module):
    def __init__(s):
        super().__init__()
        s.norm1, s.norm2, s.attention, s.mlp = nn.LayerNorm(W), nn.LayerNorm(W), nn.Module(), nn.Module()
        s.attention.qkv, s.attention.out, s.mlp.fc1, s.mlp.fc2 = nn.Linear(W, 3 * W, bias=False), nn.Linear(W, W), nn.Linear(W, MLP), nn.Linear(MLP, W)
    def forward(s, x, R, at, layer):
        n = len(x)
        q, k, v = s.attention.qkv(s.norm1(x)).view(n, -1, 3, H, D).permute(2, 0, 3, 1, 4)
        def turn(z):  # not CLS
            if R is None: return z
            return torch.cat([z[:, :, :1], torch.einsum("thkij,nhtkj->nhtki", R, z[:, :, 1:].reshape(n, H, G * G, D // B, B)).reshape(n, H, G * G, D)], 2)
        a = (turn(q) @ turn(k).transpose(-1, -2) / math.sqrt(D)).softmax(-1) @ v
        x = x + dropout(s.attention.out(a.transpose(1, 2).reshape(n, -1, W)), at, layer, 1)
        return x + dropout(s.mlp.fc2(dropout(F.gelu(s.mlp.fc1(s.norm2(x))), at, layer, 2)), at, layer, 3)
class ViT(nn.Module):
    def __init__(s, liere):
        super().__init__()
        s.patch_embed, s.cls_token, s.block, s.head_norm, s.head = nn.Linear(48, W), nn.Parameter(torch.empty(W)), nn.ModuleList(Block() for _ in range(L)), nn.LayerNorm(W), nn.Linear(W, CLASSES)
        s.liere, line = liere, torch.linspace(0, 1, G)
        if liere: s.generators = nn.Parameter(torch.empty(2, L, H, D // B, B * (B - 1) // 2))
        else: s.position_embedding = nn.Parameter(torch.empty(G * G + 1, W))
        s.positions = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    @torch.no_grad()
    def initialise(s, seed):
        for name, p in s.named_parameters():
            if "norm" in name: p.fill_(name.endswith("weight")); continue
            if name == "generators": bounds = (0, 2 * math.pi)
            elif p.dim() == 1 and name == "cls_token" or name == "position_embedding": bounds = ()
            else: fan_in = dict(s.named_parameters())[name.rsplit(".", 1)[0] + ".weight"].shape[1]; bounds = (-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
            p.copy_(initial(seed, name, p.shape, *bounds))
    def rotations(s):
        j, k = torch.triu_indices(B, B, 1)
        A = s.generators.new_zeros(s.generators.numel() // len(j), B * B).index_copy(1, j * B + k, s.generators.reshape(-1, len(j))).view(2, L, H, D // B, B, B)
        return torch.matrix_exp(torch.einsum("ta,alhkij->lthkij", s.positions, A - A.transpose(-1, -2)).contiguous())
    def forward(s, x, at=None):
        n = len(x)
        x = x.reshape(n, 3, G, 4, G, 4).permute(0, 2, 4, 3, 5, 1).reshape(n, G * G, 48)
        x = torch.cat([s.cls_token.expand(n, 1, W), s.patch_embed(x)], 1)
        if not s.liere: x = x + s.position_embedding
        R = s.rotations() if s.liere else [None] * L
        x = dropout(x, at, 0, 0)
        for layer, block in enumerate(s.block): x = block(x, R[layer], at, layer)
        return s.head(s.head_norm(x[:, 0]))

def pictures(folder, split):
    records = np.fromfile(pathlib.Path(folder) / f"{split}.bin", np.uint8).reshape(-1, 3074)
    return records[:, 2:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), torch.from_numpy(records[:, 1].astype(np.int64))

@torch.no_grad()
def test(model, data):
    X, Y = pictures(data, "test")
    logits = torch.cat([model(normalised(X[i:i + 250])) for i in range(0, len(X), 250)])
    print(f"top-1 {100 * (logits.argmax(1) == Y).float().mean().item():.2f} %   loss {F.cross_entropy(logits, Y).item():.6f}   ({len(X):,} images)")

def train(model, optimizer, first, steps, seed, data, logged):
    X, Y = pictures(data, "train")
    subset = torch.randperm(len(X), generator=torch.Generator().manual_seed(42)).tolist()  # what data.fraction cuts, at fraction 1
    per_epoch, worst, epoch_of_order = len(X) // 128, [0, 0], None
    for step in range(first, first + steps):
        epoch, within = divmod(step, per_epoch)
        if epoch != epoch_of_order: order, epoch_of_order = permutation(seed, epoch, len(X)), epoch
        for group in optimizer.param_groups: group["lr"] = 1e-3 * 0.5 * (1 + math.cos(math.pi * epoch / 8))
        index = [subset[i] for i in order[within * 128:within * 128 + 128]]
        loss = F.cross_entropy(model(normalised(np.stack([augmented(X[i], seed, epoch, i) for i in index])), (seed, step)), Y[index])
        optimizer.zero_grad()
        loss.backward()
        norm = math.sqrt(sum(p.grad.double().square().sum().item() for p in model.parameters()))
        optimizer.step()
        if step + 1 not in logged: continue
        theirs = logged[step + 1]
        off = [abs(theirs["loss"] / loss.item() - 1), abs(theirs["grad_norm"] / norm - 1)]
        worst = [max(pair) for pair in zip(worst, off)]
        print(f"step {step + 1}: loss {theirs['loss']:.6f}, PyTorch {loss.item():.6f} ({off[0]:.0e}); gradient norm {theirs['grad_norm']:.6f}, PyTorch {norm:.6f} ({off[1]:.0e})", flush=True)
    if epoch_of_order is None or not logged.keys() & set(range(first + 1, first + steps + 1)): sys.exit("error: the run logged none of these steps; train it with log.every_steps=1.")
    print(f"largest relative difference: loss {worst[0]:.1e}, gradient norm {worst[1]:.1e}")
    sys.exit(worst[0] > 1e-5 or worst[1] > 1e-4)

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("run", type=pathlib.Path); p.add_argument("data"); p.add_argument("--steps", type=int, default=20); p.add_argument("--checkpoint"); p.add_argument("--test", action="store_true")
a = p.parse_args()
torch.set_num_threads(1)
config = (a.run / "config.yaml").read_text()
seed, model = int(re.search(r"^seed: (\d+)", config, re.M)[1]), ViT("kind: liere" in config)
model.initialise(seed)
optimizer, first = torch.optim.Adam(model.parameters(), lr=1e-3), 0
if a.checkpoint:
    with safe_open(a.checkpoint, "pt") as file:
        first = int(file.metadata()["step"])
        for name, p in model.named_parameters():
            p.data.copy_(file.get_tensor(name))
            optimizer.state[p] = dict(step=torch.tensor(float(first)), **{m: file.get_tensor(f"optimizer.{m}.{name}") for m in ("exp_avg", "exp_avg_sq")})
if a.test: test(model, a.data)
else:
    lines = [json.loads(line) for line in (a.run / "metrics.jsonl").read_text().splitlines()]
    train(model, optimizer, first, a.steps, seed, a.data, {l["step"]: l for l in lines if l["event"] == "train"})
