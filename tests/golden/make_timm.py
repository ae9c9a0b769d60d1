"""Makes timm_*.safetensors: small models of pytorch-image-models with random weights (exact in F16, as they are stored), an input and timm's logits in float64.

  python3 tests/golden/make_timm.py        (torch and timm; made with torch 2.11.0, timm 1.0.31)

Keys: the model's own names, and test.input [2, 3, 16, 16], test.logits [2, 5].
  timm_vit      class token, biases of queries, keys and values, eps 1e-6
  timm_plain    without those biases, eps 1e-5, pictures of 16x24 in patches of 4x8
  timm_deit3    DeiT III: LayerScale, no row for the class token in pos_embed
"""
import functools
import pathlib

import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

SIZES = dict(embed_dim=64, depth=2, num_heads=1, mlp_ratio=1.5, num_classes=5)
MODELS = {
    "timm_vit": dict(img_size=16, patch_size=4, qkv_bias=True, norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-6)),
    "timm_plain": dict(img_size=(16, 24), patch_size=(4, 8), qkv_bias=False, norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-5)),
    "timm_deit3": dict(img_size=16, patch_size=4, qkv_bias=True, init_values=1e-6, no_embed_class=True, norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-6)),
}

for seed, (name, arguments) in enumerate(MODELS.items()):
    torch.manual_seed(seed)
    model = VisionTransformer(**SIZES, **arguments).eval()
    with torch.no_grad():
        for key, weight in model.named_parameters():
            spread = torch.randn_like(weight) * (0.5 if "norm" in key or "gamma" in key else weight.shape[-1] ** -0.5)
            weight.copy_((spread + ("norm" in key and "weight" in key) + ("gamma" in key)).half())
        pictures = torch.randn(2, 3, *model.patch_embed.img_size).half()
        logits = model.double()(pictures.double())
    tensors = {key: tensor.half() for key, tensor in model.state_dict().items()}
    save_file({**tensors, "test.input": pictures, "test.logits": logits}, pathlib.Path(__file__).parent / f"{name}.safetensors")
    print(name, sum(tensor.numel() for tensor in tensors.values()), logits[0].tolist())
