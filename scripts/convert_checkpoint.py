#!/usr/bin/env python3
"""Turns a PyTorch checkpoint (.pth, .pt, .ckpt, .bin) into a safetensors file that liere-train's init.checkpoint reads.

Needs Python with torch and safetensors; liere itself does not. Finds the weights in what training programs save (state_dict, model, model_ema, ...), takes
off the prefixes of wrappers (module., model., net., _orig_mod.) and keeps every name and value otherwise: liere knows timm's names and those of the LieRE
authors' release (docs/weights.md). Files are read with weights_only=True, so nothing in them is executed.

  scripts/convert_checkpoint.py vit_base.pth vit_base.safetensors
  liere-train --config imagenet_absolute.yaml init.checkpoint=vit_base.safetensors model.qkv_bias=true model.norm_eps=1e-6
"""
import argparse
import os
import sys

PLACES = ("state_dict", "model_state_dict", "model", "module", "net", "network", "teacher", "student")
AVERAGES = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
PREFIXES = ("module.", "model.", "net.", "network.", "_orig_mod.", "backbone.", "encoder.")


def fail(message):
    sys.exit(f"error: {message}")


def read(path, trust):
    import torch

    if not os.path.exists(path):
        fail(f"{path} does not exist.")
    with open(path, "rb") as file:
        start = file.read(9)
    if start[8:9] == b"{":
        fail(f"{path} is a safetensors file already: give it to init.checkpoint.")
    try:
        return torch.load(path, map_location="cpu", weights_only=not trust)
    except Exception as error:  # torch raises many kinds
        reason = str(error).split("\n")[0]
        if not trust and "weights_only" in str(error).lower():
            fail(f"{path} holds more than tensors, and reading that would execute code from the file: {reason}\n"
                 "Save the weights alone where it was made (torch.save(model.state_dict(), ...)), or, if you trust the file as you trust a program, give --trust.")
        fail(f"{path} is no checkpoint that torch can read: {reason}")


def is_weights(value):
    import torch

    return isinstance(value, dict) and any(isinstance(tensor, torch.Tensor) for tensor in value.values())


def find_weights(content, use_average, path):
    if hasattr(content, "state_dict"):
        content = content.state_dict()
    if not isinstance(content, dict):
        fail(f"{path} holds a {type(content).__name__}: expected a dictionary of tensors, or one with a state_dict in it.")
    for place in AVERAGES if use_average else PLACES:
        if is_weights(content.get(place)):
            return content[place], place
    if use_average:
        fail(f"{path} has no averaged weights: none of {', '.join(AVERAGES)} is there.")
    if is_weights(content):
        return content, ""
    fail(f"{path} has no weights: expected tensors, or a dictionary of them as one of {', '.join(PLACES)}; found {', '.join(map(str, list(content)[:8]))}.")


def without_prefixes(names):
    """name -> name without the prefixes that all of them share."""
    short = {name: name for name in names}
    while True:
        prefix = next((p for p in PREFIXES if all(name.startswith(p) for name in short.values())), None)
        if prefix is None:
            return short
        short = {name: value[len(prefix):] for name, value in short.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="the PyTorch file")
    parser.add_argument("output", nargs="?", help="the safetensors file to write; without it the tensors are listed")
    parser.add_argument("--ema", action="store_true", help="take the averaged weights that the file holds beside the others")
    parser.add_argument("--keep-prefix", action="store_true", help="leave the names as they are")
    parser.add_argument("--trust", action="store_true", help="read a file that holds Python objects beside tensors, which executes code from it")
    arguments = parser.parse_intermixed_args()
    try:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import save_file
    except ImportError as error:
        fail(f"{error}. This script needs torch and safetensors (pip install torch safetensors).")

    weights, place = find_weights(read(arguments.checkpoint, arguments.trust), arguments.ema, arguments.checkpoint)
    tensors = {name: tensor for name, tensor in weights.items() if isinstance(tensor, torch.Tensor)}
    names = {name: name for name in tensors} if arguments.keep_prefix else without_prefixes(list(tensors))
    # A copy each: safetensors has no tensors that share memory, and views would keep their whole storage.
    tensors = {names[name]: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    if not arguments.output:
        for name, tensor in tensors.items():
            print(f"{name}  {str(tensor.dtype).removeprefix('torch.')}  {list(tensor.shape)}")
        return
    partial = arguments.output + ".partial"
    try:
        save_file(tensors, partial, metadata={"format": "pt", "converted_from": os.path.basename(arguments.checkpoint)})
        os.replace(partial, arguments.output)
    except (OSError, SafetensorError) as error:
        fail(f"{arguments.output} cannot be written: {error}")
    finally:
        if os.path.exists(partial):
            os.remove(partial)
    count = sum(tensor.numel() for tensor in tensors.values())
    print(f"{arguments.output}: {len(tensors)} tensors, {count:,} values" + (f", from '{place}'" if place else ""))


if __name__ == "__main__":
    main()
