#!/usr/bin/env python3
"""PyTorch's side of the figures that scripts/gpu-check.sh takes on a GPU: CUDA events, warmed up, medians; one JSON line per figure, and all of them in --json FILE.
usage: gpu_peers.py ceilings | matrix_exp | step   [--device cuda|cpu] [--small] [--seconds 3] [--json FILE]
  ceilings     bytes per second of a copy on the device (read and written), FLOP per second of a bf16 product of side 8192
  matrix_exp   torch.matrix_exp and its autograd on the blocks of a ViT-B (144 matrices a token, side 64) at 8x8 and 14x14 tokens, 4x14x14 where memory allows; fp32
  step         a training step of a ViT: bf16 autocast, fused Adam, scaled_dot_product_attention, dropout 0.1, constant batch: images/s and peak memory
               --encoding absolute | rope_mixed | liere (einsum) | released (R broadcast over the batch as matmul, the released code's form)
               [--block 64] [--compile] [--batch 512 --size 32 --patch 4 --width 768 --layers 12 --heads 12 --mlp 3072 --classes 100]
--small: shapes of seconds on a CPU, to try the script."""
import argparse, json, math, statistics, sys, time
import torch, torch.nn as nn, torch.nn.functional as F

p = argparse.ArgumentParser()
p.add_argument("what", choices=["ceilings", "matrix_exp", "step"])
p.add_argument("--device", default="cuda"); p.add_argument("--small", action="store_true"); p.add_argument("--compile", action="store_true")
p.add_argument("--encoding", default="absolute", choices=["absolute", "rope_mixed", "liere", "released"])
p.add_argument("--seconds", type=float, default=3); p.add_argument("--json")
for name, value in dict(block=64, batch=512, size=32, patch=4, width=768, layers=12, heads=12, mlp=3072, classes=100).items():
    p.add_argument("--" + name, type=int, default=value)
a = p.parse_args()
if a.small:
    a.batch, a.size, a.width, a.layers, a.heads, a.mlp, a.seconds = 2, 8, 64, 1, 1, 64, 0.05
cuda = a.device == "cuda"
if cuda and not torch.cuda.is_available():
    sys.exit("torch sees no GPU: nothing was measured.")
torch.manual_seed(0)
torch.set_float32_matmul_precision("highest")
figures = []


def figure(name, **values):
    values = dict(figure=name, device=torch.cuda.get_device_name() if cuda else "cpu", torch=torch.__version__, **values)
    figures.append(values)
    print(json.dumps(values), flush=True)


def seconds_of(run, seconds, warmup=3):
    """Median, lowest and highest seconds of a run; events on the GPU, each run between two of its own, the host at most a few runs ahead."""
    for _ in range(warmup): run()
    if not cuda:
        times, start = [], time.perf_counter()
        while not times or time.perf_counter() - start < seconds:
            begin = time.perf_counter(); run(); times.append(time.perf_counter() - begin)
        return statistics.median(times), min(times), max(times)
    torch.cuda.synchronize()
    events = [torch.cuda.Event(enable_timing=True)]
    events[0].record()
    start = time.perf_counter()
    while len(events) < 6 or time.perf_counter() - start < seconds:
        run()
        events.append(torch.cuda.Event(enable_timing=True)); events[-1].record()
        events[-2].synchronize()
    events[-1].synchronize()
    times = [1e-3 * before.elapsed_time(after) for before, after in zip(events, events[1:])]
    return statistics.median(times), min(times), max(times)


def peak_bytes():
    return torch.cuda.max_memory_allocated() if cuda else None


def ceilings():
    n = 1 << (20 if a.small else 30)
    source, target = torch.ones(n, dtype=torch.uint8, device=a.device), torch.empty(n, dtype=torch.uint8, device=a.device)
    median, low, _ = seconds_of(lambda: target.copy_(source), a.seconds)
    figure("copy", bytes_per_second=2 * n / median, best_bytes_per_second=2 * n / low)
    side = 64 if a.small else 8192
    x, y = (torch.randn(side, side, device=a.device, dtype=torch.bfloat16) for _ in range(2))
    median, low, _ = seconds_of(lambda: x @ y, a.seconds)
    figure("product", side=side, flop_per_second=2 * side**3 / median, best_flop_per_second=2 * side**3 / low)


def grid_positions(sizes):
    axes = [torch.linspace(0, 1, n) if n > 1 else torch.zeros(1) for n in sizes]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(sizes))


def matrix_exp():
    groups, side = (1, 8) if a.small else (144, 64)
    for sizes in [(2, 2)] if a.small else [(8, 8), (14, 14), (4, 14, 14)]:
        positions = grid_positions(sizes).to(a.device)
        generators = (torch.rand(len(sizes), groups, side, side, device=a.device) * 2 * math.pi).triu(1)
        generators = (generators - generators.transpose(-1, -2)).requires_grad_()
        named = dict(grid="x".join(map(str, sizes)), matrices=len(positions) * groups, side=side)
        try:
            cotangent = torch.randn(len(positions), groups, side, side, device=a.device)
            def forward(): return torch.matrix_exp(torch.einsum("pi,igab->pgab", positions, generators))
            def both():
                generators.grad = None
                forward().backward(cotangent)
            with torch.no_grad(): ahead = seconds_of(forward, a.seconds / 2)
            both()
            if cuda: torch.cuda.reset_peak_memory_stats()
            held = torch.cuda.memory_allocated() if cuda else 0
            times = seconds_of(both, a.seconds)
            figure("matrix_exp", **named, forward=ahead[0], forward_and_backward=times[0], lowest=times[1], highest=times[2], peak_bytes=peak_bytes() - held if cuda else None)
        except torch.OutOfMemoryError:
            figure("matrix_exp", **named, out_of_memory=True, memory_bytes=torch.cuda.get_device_properties(0).total_memory)
        cotangent = None
        if cuda: torch.cuda.empty_cache()


W, H, g = a.width, a.heads, a.size // a.patch
d, b = W // H, dict(rope_mixed=2, liere=a.block, released=a.block).get(a.encoding)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2, self.qkv, self.out = nn.LayerNorm(W), nn.LayerNorm(W), nn.Linear(W, 3 * W, bias=False), nn.Linear(W, W)
        self.f1, self.f2 = nn.Linear(W, a.mlp), nn.Linear(a.mlp, W)

    def turn(self, x, r):
        if a.encoding == "released":  # r [H, T, d, d], the identity for CLS; [1, H, T, d, d] times [B, H, T, d, 1]
            return torch.matmul(r.unsqueeze(0).to(x.dtype), x.unsqueeze(-1)).squeeze(-1)
        if a.encoding == "rope_mixed":  # r: cos and sin [H, N, d/2]
            u, v = x[:, :, 1:].unflatten(-1, (d // 2, 2)).unbind(-1)
            c, s = r[0].to(x.dtype), r[1].to(x.dtype)
            return torch.cat([x[:, :, :1], torch.stack([c * u - s * v, s * u + c * v], -1).flatten(-2)], 2)
        n = len(x)
        y = torch.einsum("htkab,nhtkb->nhtka", r.to(x.dtype), x[:, :, 1:].reshape(n, H, g * g, d // b, b)).reshape(n, H, g * g, d)
        return torch.cat([x[:, :, :1], y], 2)

    def forward(self, t, r):
        n = len(t)
        q, k, v = self.qkv(self.n1(t)).view(n, -1, 3, H, d).permute(2, 0, 3, 1, 4)
        if r is not None: q, k = self.turn(q, r), self.turn(k, r)
        t = t + F.dropout(self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, -1, W)), 0.1)
        return t + F.dropout(self.f2(F.dropout(F.gelu(self.f1(self.n2(t))), 0.1)), 0.1)


class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.cls = nn.Linear(3 * a.patch**2, W), nn.Parameter(torch.randn(1, 1, W))
        self.blocks, self.norm, self.head = nn.ModuleList(Block() for _ in range(a.layers)), nn.LayerNorm(W), nn.Linear(W, a.classes)
        self.register_buffer("positions", grid_positions((g, g)))
        if a.encoding == "absolute": self.table = nn.Parameter(torch.randn(1, g * g + 1, W))
        if a.encoding == "rope_mixed": self.frequencies = nn.Parameter(torch.rand(a.layers, 2, H, d // 2) * 2 * math.pi)
        if a.encoding in ("liere", "released"): self.generators = nn.Parameter(torch.rand(a.layers, 2, H, d // b, b, b) * 2 * math.pi)

    def rotations(self):
        if a.encoding == "absolute": return None
        if a.encoding == "rope_mixed":
            angles = torch.einsum("ti,lihp->lhtp", self.positions, self.frequencies)
            return torch.stack([angles.cos(), angles.sin()], 1)
        skew = self.generators.triu(1)
        r = torch.matrix_exp(torch.einsum("ti,lihkab->lhtkab", self.positions, skew - skew.transpose(-1, -2)))
        if a.encoding == "liere": return r
        full = torch.eye(d, device=r.device).expand(a.layers, H, 1, d, d)
        blocks = torch.zeros(a.layers, H, g * g, d, d, device=r.device)
        rows = [F.pad(r[:, :, :, k], (k * b, d - (k + 1) * b)) for k in range(d // b)]
        return torch.cat([full, blocks + torch.cat(rows, -2)], 2)

    def forward(self, x):
        n = len(x)
        t = x.view(n, 3, g, a.patch, g, a.patch).permute(0, 2, 4, 3, 5, 1).reshape(n, g * g, -1)
        t = torch.cat([self.cls.expand(n, 1, W), self.embed(t)], 1)
        if a.encoding == "absolute": t = t + self.table
        with torch.autocast(a.device, enabled=False): r = self.rotations()
        t = F.dropout(t, 0.1)
        for number, block in enumerate(self.blocks): t = block(t, None if r is None else r[number])
        return self.head(self.norm(t[:, 0]))


def step():
    model = Vit().to(a.device)
    forward = torch.compile(model) if a.compile else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    x, y = torch.randn(a.batch, 3, a.size, a.size, device=a.device), torch.randint(a.classes, (a.batch,), device=a.device)

    def once():
        with torch.autocast(a.device, torch.bfloat16): loss = F.cross_entropy(forward(x).float(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    named = dict(encoding=a.encoding, block=b, compiled=a.compile, batch=a.batch, grid="%dx%d" % (g, g), parameters=sum(q.numel() for q in model.parameters()))
    try:
        median, low, high = seconds_of(once, a.seconds, warmup=8 if cuda else 1)
        figure("step", **named, images_per_second=a.batch / median, seconds_per_step=median, fastest_seconds=low, slowest_seconds=high, peak_bytes=peak_bytes())
    except torch.OutOfMemoryError:
        figure("step", **named, out_of_memory=True, memory_bytes=torch.cuda.get_device_properties(0).total_memory)


dict(ceilings=ceilings, matrix_exp=matrix_exp, step=step)[a.what]()
if a.json:
    with open(a.json, "w") as file:
        json.dump(figures, file, indent=1)
