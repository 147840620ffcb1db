"""One training step of the Reprogrammer on ViT-B/32, beside a plain implementation of the released recipe.

    python benchmarks/reprogram_step.py

Random weights, batch 128, ten classes. The plain recipe does at each step what the released script does:
a round trip through PIL for each image, all 128 captions at full length through the text tower, gradients for
all weights of the encoder. Ours runs in float32 and under bf16 autocast. Prints seconds a step (the best of
STEPS, after one to warm up), the ratio to the plain recipe, and the arithmetic of a step, all in one run.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from anchorline import METHODS, Encoder, load_encoder
from anchorline.encoders.captions import SINGLE_TEMPLATE, captions_of
from anchorline.encoders.encoder import as_images
from anchorline.methods.objectives import Contrastive
from anchorline.methods.tunables import Pretrained

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCH, INNER, STEPS = 128, 192, 2


def batch(size: tuple[int, int]) -> tuple[np.ndarray, Tensor]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (BATCH, *size, 3), dtype=np.uint8)
    return pixels, torch.from_numpy(rng.integers(0, len(CLASSES), BATCH))


def plain(encoder: Encoder, pixels: np.ndarray, labels: Tensor) -> Callable[[], None]:
    """The released recipe, written anew from its description."""
    model = encoder.model.requires_grad_(True)
    height, width = encoder.geometry.size
    frame = nn.Parameter(torch.randn(3, height, width))
    mask = torch.ones(1, height, width)
    edge = (height - INNER) // 2
    mask[:, edge : edge + INNER, edge : edge + INNER] = 0
    images = as_images(torch.from_numpy(pixels), encoder.device)
    tokens = encoder.tokenizer([captions_of([CLASSES[y]], SINGLE_TEMPLATE)[0] for y in labels.tolist()])
    optimizer = torch.optim.Adam([frame, *model.parameters()], lr=1e-5)

    def step() -> None:
        small = []
        for image in images:
            picture = Image.fromarray((image * 255).byte().permute(1, 2, 0).numpy())
            resized = np.asarray(picture.resize((INNER, INNER), Image.Resampling.BICUBIC))
            small.append(torch.from_numpy(resized.copy()).permute(2, 0, 1).float() / 255)
        x = (F.pad(torch.stack(small), [edge] * 4) + torch.tanh(frame * mask)).clamp(0, 1)
        image_features = model.encode_image(encoder.standardise(x), normalize=True)
        text_features = model.encode_text(tokens, normalize=True)
        pairs = model.logit_scale.exp() * image_features @ text_features.T
        target = torch.arange(BATCH)
        loss = (F.cross_entropy(pairs, target) + F.cross_entropy(pairs.T, target)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def ours(encoder: Encoder, pixels: np.ndarray, labels: Tensor, precision: torch.dtype) -> Callable[[], None]:
    encoder.model.requires_grad_(False)
    captions = encoder.encode_classes(CLASSES, SINGLE_TEMPLATE)
    pretrained = Pretrained(encoder, CLASSES, SINGLE_TEMPLATE, captions)
    adaptation = METHODS["reprogrammer"].tunable.start(pretrained)
    optimizer = torch.optim.AdamW(adaptation.groups(5e-4))
    inputs, objective = torch.from_numpy(pixels), Contrastive(focal=True)

    def step() -> None:
        images = as_images(inputs, encoder.device)
        with torch.autocast(encoder.device.type, precision, enabled=precision != torch.float32):
            logits = adaptation(images)
        loss = objective(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def measured(step: Callable[[], None], steps: int) -> tuple[float, float]:
    """Seconds of the best step, and 10^12 multiplications and additions in it."""
    with FlopCounterMode(display=False) as counter:  # to warm up
        step()
    found = []
    for _ in range(steps):
        begun = time.perf_counter()
        step()
        found.append(time.perf_counter() - begun)
    return min(found), counter.get_total_flops() / 1e12


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=STEPS, help="timed steps of each")
    args = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # random weights are what is wanted here
        encoder = load_encoder("ViT-B-32", "cpu")
    pixels, labels = batch(encoder.geometry.size)
    print(
        f"{torch.get_num_threads()} threads, ViT-B/32, batch {BATCH}, {len(CLASSES)} classes, seconds a step"
    )
    reference, work = measured(plain(encoder, pixels, labels), args.steps)
    print(f"{'plain recipe, float32':<24} {reference:7.2f} s   1.00 x  {work:5.2f} TFLOP")
    for name, precision in (("ours, float32", torch.float32), ("ours, bf16", torch.bfloat16)):
        found, work = measured(ours(encoder, pixels, labels, precision), args.steps)
        print(f"{name:<24} {found:7.2f} s  {reference / found:5.2f} x  {work:5.2f} TFLOP")


if __name__ == "__main__":
    main()
