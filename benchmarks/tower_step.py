"""Images a second of one training step of image towers at 64 px: forward and backward, bf16, channels-last.

    python benchmarks/tower_step.py regnetx_002 regnety_002 convnext_atto

Batch 256, random pixels, no data pipeline; the best of four steps, and the ratio to the first tower.
"""

from __future__ import annotations

import argparse
import time

import torch
from open_clip.timm_model import TimmModel

TOWERS = ["regnetx_002", "regnety_002", "regnetx_004", "resnet10t", "convnext_atto"]
BATCH, STEPS = 256, 4


def rate(name: str) -> tuple[float, float]:
    """Images a second, millions of parameters."""
    model = TimmModel(name, 384, image_size=64).to(memory_format=torch.channels_last).train()
    pixels = torch.randn(BATCH, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    best = float("inf")
    for _ in range(STEPS):
        begun = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            features = model(pixels)
        features.float().square().mean().backward()
        best = min(best, time.perf_counter() - begun)
    return BATCH / best, sum(p.numel() for p in model.parameters()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("towers", nargs="*", default=TOWERS, help="names of timm models")
    first = None
    print(f"{torch.get_num_threads()} threads, batch {BATCH}")
    for name in parser.parse_args().towers:
        images, millions = rate(name)
        first = first or images
        print(f"{name:<16} {images:6.0f} images/s  {images / first:5.2f} x  {millions:5.2f} M parameters")


if __name__ == "__main__":
    main()
