"""Images a second on a CPU: plain PyTorch beside anchorline, in encoding and in training.

    python benchmarks/cpu.py [--towers bundled lite vit] [--seconds 4]

Plain is torch's default and open_clip's own loop: the system's allocator, pixels channel by channel, and
batches of 256 in encoding. Ours is `Encoder.encode_images` on the same pixels, and the forward pass, backward
pass and optimizer step of `fine-tune`. Each figure is the best of several goes of SECONDS in a process of its
own, and plain and ours take turns, so that a busy machine hits both. Aims: encoding 4, 2 and 1.2 x plain, and
training 2.5 x and 1.3 x, on EfficientNet-Lite0 at 224 px, the bundled tower and ViT-B/32, on two quiet cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable

import timm
import torch
from torch import nn

from anchorline import load_encoder
from anchorline.encoders.encoder import Encoder, as_images
from anchorline.engine.hardware import keep_freed_memory
from anchorline.suites.images.decode import Geometry

TOWERS = {"bundled": "pictogram-clip", "lite": "tf_efficientnet_lite0", "vit": "vit_base_patch32_clip_224"}
AIMS = {"lite": (4.0, 2.5), "bundled": (2.0, 1.3), "vit": (1.2, None)}
TRAINED = {"bundled": 64, "lite": 32, "vit": 32}  # images a step
ENCODED = {"bundled": 2048, "lite": 512, "vit": 256}  # images in all; plain takes 256 at a time
ROUNDS = 3


class Tower(nn.Module):
    """An image tower alone, where an open_clip model is expected."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual
        self.encode_image = visual.forward


def encoder_of(tower: str) -> Encoder:
    if tower == "bundled":
        return load_encoder(TOWERS[tower], "cpu")
    half = (0.5, 0.5, 0.5)
    return Encoder(
        name=tower, model=Tower(timm.create_model(TOWERS[tower], num_classes=0)).eval().requires_grad_(False),
        tokenizer=None, architecture=TOWERS[tower], geometry=Geometry((224, 224)), mean=half, std=half,
        templates=("{}",), random=True, device=torch.device("cpu"),
    )  # fmt: skip


def rate(step: Callable[[], int], seconds: float) -> float:
    step()
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        done += step()
    return done / (time.perf_counter() - begun)


def measure(tower: str, ours: bool, bf16: bool, seconds: float) -> dict[str, float]:
    torch.manual_seed(0)
    encoder = encoder_of(tower)
    if bf16:
        encoder = type(encoder)(**{**vars(encoder), "in_bf16": True})
    if ours:
        keep_freed_memory()
    size = encoder.geometry.size
    pixels = torch.randint(0, 256, (ENCODED[tower], *size, 3), dtype=torch.uint8)

    def encode() -> int:
        if ours:
            encoder.encode_images(pixels.numpy())
        else:
            with torch.inference_mode():
                for part in pixels.split(256):
                    images = part.permute(0, 3, 1, 2).contiguous().float() / 255
                    encoder.model.encode_image(encoder.standardise(images))
        return len(pixels)

    found = {"encoding": rate(encode, seconds)}
    model = encoder.image_tower.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=ours or None)
    batch = pixels[: TRAINED[tower]]

    def train() -> int:
        if ours:
            features = encoder.forward_images(encoder.standardise(as_images(batch, encoder.device)))
        else:
            images = batch.permute(0, 3, 1, 2).contiguous().float() / 255
            features = model(encoder.standardise(images))
        optimizer.zero_grad()
        features.square().mean().backward()
        optimizer.step()
        return len(batch)

    return found | {"training": rate(train, seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--towers", nargs="+", default=list(TOWERS), choices=list(TOWERS))
    parser.add_argument("--seconds", type=float, default=4.0, help="of each go")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # a go in a process of its own
    args = parser.parse_args()
    if args.one:
        tower, how = args.one
        print(json.dumps(measure(tower, how != "plain", how == "bf16", args.seconds)))
        return
    print(f"{torch.get_num_threads()} threads; images/s, best of {ROUNDS}")
    for tower in args.towers:
        best: dict[str, dict[str, float]] = {}
        for _ in range(ROUNDS):
            for how in ("plain", "ours", "bf16"):
                command = [sys.executable, __file__, "--one", tower, how, "--seconds", str(args.seconds)]
                told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                for what, value in told.items():
                    best.setdefault(what, {})[how] = max(value, best.get(what, {}).get(how, 0.0))
        for (what, found), aim in zip(best.items(), AIMS[tower], strict=True):
            ratios = "  ".join(
                f"{how} {found[how]:6.0f} ({found[how] / found['plain']:.2f} x)" for how in found
            )
            wanted = f"; aim {aim:g} x" if aim else ""
            print(f"{TOWERS[tower]:<26} {what}: {ratios}{wanted}", flush=True)


if __name__ == "__main__":
    main()
