"""What borders and noise cost an encoder: zero-shot accuracy on the suite's test images, plain and framed.

    python scripts/pretrain/evaluate_borders.py [ENCODER] [--train-and-val]

Prints the table of docs/encoder.md. Encoders may be compared and chosen with --train-and-val only.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from anchorline import SUITES, load_encoder
from anchorline.suites.images.decode import decode

RNG = torch.Generator()


def around(ground: Callable[[Tensor], Tensor], share: float) -> Callable[[Tensor], Tensor]:
    """The picture at a share of its size, in the middle of a ground."""

    def change(pictures: Tensor) -> Tensor:
        side = pictures.shape[-1]
        inner = round(share * side)
        before = (side - inner) // 2
        small = F.interpolate(pictures, (inner, inner), mode="bicubic", antialias=True).clamp(0, 1)
        framed = ground(pictures)
        framed[:, :, before : before + inner, before : before + inner] = small
        return framed

    return change


def margin(pixels: int) -> Callable[[Tensor], Tensor]:
    """Noise over the margin of the picture."""

    def change(pictures: Tensor) -> Tensor:
        framed, inside = noise(pictures), slice(pixels, -pixels)
        framed[:, :, inside, inside] = pictures[:, :, inside, inside]
        return framed

    return change


def flat(value: float) -> Callable[[Tensor], Tensor]:
    return lambda pictures: torch.full_like(pictures, value)


def noise(pictures: Tensor) -> Tensor:
    return torch.rand(pictures.shape, generator=RNG)


def grainy(pictures: Tensor) -> Tensor:
    return (pictures + 0.1 * torch.randn(pictures.shape, generator=RNG)).clamp(0, 1)


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "untouched": lambda pictures: pictures,
    "7/8 of its size, on white": around(flat(1.0), 7 / 8),
    "on black": around(flat(0.0), 7 / 8),
    "on grey": around(flat(0.5), 7 / 8),
    "on noise": around(noise, 7 / 8),
    "5/8 of its size, on black": around(flat(0.0), 5 / 8),
    "noise over four pixels of the margin": margin(4),
    "noise of σ = .1 everywhere": grainy,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("encoder", nargs="?", default="pictogram-clip")
    parser.add_argument("--train-and-val", action="store_true", help="these images instead of test")
    args = parser.parse_args()
    suite, encoder = SUITES["pictograms"](), load_encoder(args.encoder, "cpu")
    captions = encoder.encode_classes(suite.classes, encoder.templates)
    sets = (suite.train, suite.val) if args.train_and_val else (suite.test,)
    pixels = torch.cat([torch.from_numpy(decode(images, encoder.geometry)[0]) for images in sets])
    truth = torch.cat([torch.from_numpy(images.labels) for images in sets])
    print("| picture | accuracy, % |\n|---|---|")
    for name, change in CHANGES.items():
        RNG.manual_seed(0)
        right = 0
        for part, labels in zip(pixels.split(256), truth.split(256), strict=True):
            pictures = change(part.permute(0, 3, 1, 2).float() / 255)
            with torch.inference_mode():
                features = encoder.forward_images(encoder.standardise(pictures))
            right += int(((features @ captions.T).argmax(1) == labels).sum())
        print(f"| {name} | {100 * right / len(truth):.1f} |", flush=True)


if __name__ == "__main__":
    main()
