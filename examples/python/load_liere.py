#!/usr/bin/env python3
"""Opens a checkpoint of liere in Python and rebuilds its vision transformer in plain PyTorch: for looking into a model, and as the shortest statement of what it computes.

  python3 examples/python/load_liere.py runs/NAME/checkpoints/step_00000750.safetensors          shapes, and the logits of a grey picture
  from load_liere import load; model = load(path); logits = model(images)                        images [B, C, *spatial], normalised as in training

Needs torch alone. Encodings liere, rope_mixed, absolute and none; attention in float32 without dropout. Nothing in liere needs this file.
"""
import json
import struct
import sys

import torch
import torch.nn.functional as F

DTYPES = {"F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def read_safetensors(path):
    """{name: tensor}, {metadata}: 8 bytes of header length, a JSON header, the tensors' bytes."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    metadata = header.pop("__metadata__", {})
    view = {n: torch.frombuffer(data, dtype=DTYPES[t["dtype"]], count=(t["data_offsets"][1] - t["data_offsets"][0]) // DTYPES[t["dtype"]].itemsize, offset=t["data_offsets"][0])
            for n, t in header.items() if t["dtype"] in DTYPES and t["data_offsets"][1] > t["data_offsets"][0]}
    return {n: v.reshape(header[n]["shape"]) for n, v in view.items()}, metadata


def read_config(text):
    """The configuration's YAML (two blanks a level) as {"model.position.kind": "liere", ...}; lists as JSON."""
    config, path = {}, []
    for line in text.splitlines():
        key, colon, value = line.strip().partition(":")
        if not colon or line.lstrip().startswith("-"):
            continue
        path = path[:(len(line) - len(line.lstrip())) // 2] + [key]
        if value.strip():
            config[".".join(path)] = json.loads(value) if value.strip()[0] in "[0123456789" else value.strip()
    return config


class Vit:
    def __init__(self, weights, config):
        self.w = {name: weight.float() for name, weight in weights.items() if not name.startswith(("optimizer.", "ema."))}
        self.kind = config["model.position.kind"]
        assert self.kind in ("liere", "rope_mixed", "absolute", "none"), f"this example has no {self.kind}"
        assert config.get("model.position.positions", "sequential") == "sequential" and config["model.pool"] == "cls"
        self.input_size, self.patch, self.heads = config["model.input_size"], config["model.patch"], config["model.heads"]
        self.depth, self.eps = config["model.depth"], float(config["model.norm_eps"])

    def rotations(self, grid):
        """R(p) = exp(sum_a p_a A_a) per layer: [L|1, T, H|1, K, b, b], the class token's the identity. A's strict upper triangle, row by row, is what is learned."""
        generators = self.w["generators"]  # [axes, L|1, H|1, K, b (b - 1) / 2]
        b = round((1 + (1 + 8 * generators.shape[-1]) ** 0.5) / 2)
        row, column = torch.triu_indices(b, b, 1)
        A = torch.zeros(*generators.shape[:-1], b, b)
        A[..., row, column], A[..., column, row] = generators, -generators
        # Token i of m along an axis, m0 in training, lies at i (m / m0) / (m - 1).
        axes = [torch.linspace(0, m * p / size, m) if m > 1 else torch.zeros(1) for m, p, size in zip(grid, self.patch, self.input_size)]
        p = torch.cartesian_prod(*axes).reshape(-1, len(grid))  # [N, axes]
        R = torch.matrix_exp(torch.einsum("na,alhkij->lnhkij", p, A).contiguous())
        return torch.cat([torch.eye(b).expand_as(R[:, :1]), R], 1)

    def turn(self, x, R):
        """x [B, T, H, d], R [T, H|1, K, b, b]."""
        blocks = x.unflatten(-1, (R.shape[2], R.shape[3]))
        return torch.einsum("thkij,bthkj->bthki", R.expand(-1, x.shape[2], -1, -1, -1), blocks).reshape(x.shape)

    def __call__(self, images):
        w, axes = self.w, len(self.patch)
        linear = lambda x, name: F.linear(x, w[name + ".weight"], w.get(name + ".bias"))
        norm = lambda x, name: F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], self.eps)
        grid = [size // p for size, p in zip(images.shape[2:], self.patch)]
        for axis, p in enumerate(self.patch):  # [B, C, grid.., patch..] -> [B, N, patch.. C]
            images = images.unfold(2 + axis, p, p)
        tokens = images.permute(0, *range(2, 2 + 2 * axes), 1).reshape(len(images), -1, w["patch_embed.weight"].shape[1])
        x = torch.cat([w["cls_token"].expand(len(images), 1, -1), linear(tokens, "patch_embed")], 1)
        if "position_embedding" in w:
            x = x + w["position_embedding"]  # of the training size
        R = self.rotations(grid) if "generators" in w else None
        for i in range(self.depth):
            block = f"block.{i}."
            q, k, v = linear(norm(x, block + "norm1"), block + "attention.qkv").unflatten(-1, (3, self.heads, -1)).unbind(2)
            if R is not None:
                q, k = (self.turn(y, R[min(i, len(R) - 1)]) for y in (q, k))
            attended = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2).flatten(2)
            x = x + linear(attended, block + "attention.out") * w.get(block + "layer_scale1", 1)
            x = x + linear(F.gelu(linear(norm(x, block + "norm2"), block + "mlp.fc1")), block + "mlp.fc2") * w.get(block + "layer_scale2", 1)
        return linear(norm(x[:, 0], "head_norm"), "head")


def load(path):
    weights, metadata = read_safetensors(path)
    return Vit(weights, read_config(metadata["config"]))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    model = load(sys.argv[1])
    if len(sys.argv) > 2:  # FILE with `input` and `logits`: prints the largest difference
        expected, _ = read_safetensors(sys.argv[2])
        print(f"{(model(expected['input']) - expected['logits']).abs().max().item():.3g}")
        sys.exit()
    for name, weight in model.w.items():
        print(name, list(weight.shape))
    print("logits of a grey picture:", model(torch.zeros(1, 3, *model.input_size))[0].tolist()[:10])
