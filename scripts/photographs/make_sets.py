"""Makes shifted sets of a folder of photographs in class folders, and a set of outliers.

    python scripts/photographs/make_sets.py TEST OTHERS OUT

OTHERS holds photographs of something else. OUT/zoomed shows two thirds of each side; OUT/grey no colour; in
OUT/elsewhere what stands in the middle of the photograph lies on a photograph of something else (GrabCut,
Rother et al. 2004, from a rectangle; where it finds nothing, the whole photograph at two thirds of its size).
OUT/outliers holds square parts of those of OTHERS that served as no ground. What is random is drawn by file
name, so that a second run gives the same pixels.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

SIDE = 256  # pixels of grounds and outliers
PARTS = 12  # of each photograph among the outliers
MARGIN = 0.06  # share of a side that is surely ground
FEWEST, MOST = 0.08, 0.85  # share of the photograph that the thing may cover
SMALL = 2 / 3
KINDS = (".jpg", ".jpeg", ".png")


def photographs(folder: Path) -> list[Path]:
    """Photographs below a folder; what is drawn has large areas of exactly one colour."""
    return [f for f in sorted(folder.rglob("*")) if f.suffix.lower() in KINDS and _is_photograph(f)]


def _is_photograph(file: Path) -> bool:
    small = np.asarray(ImageOps.fit(Image.open(file).convert("RGB"), (SIDE, SIDE)), np.int16)
    same = (np.abs(np.diff(small, axis=1)).sum(-1) == 0).mean()
    return bool(same < 0.2) and "abstract" not in file.parts and "desktop" not in file.parts


def part(file: Path, seed: int) -> Image.Image:
    """A square part of a photograph, a third to the whole of its shorter side."""
    rng = np.random.default_rng(seed)
    photograph = Image.open(file).convert("RGB")
    side = round(min(photograph.size) * rng.uniform(1 / 3, 1))
    left, top = (rng.integers(0, length - side + 1) for length in photograph.size)
    return photograph.resize((SIDE, SIDE), Image.Resampling.LANCZOS, (left, top, left + side, top + side))


def zoomed(photograph: Image.Image) -> Image.Image:
    width, height = photograph.size
    box = (width / 6, height / 6, 5 * width / 6, 5 * height / 6)
    return photograph.resize(photograph.size, Image.Resampling.LANCZOS, box)


def elsewhere(photograph: Image.Image, ground: Image.Image) -> Image.Image:
    ground = ImageOps.fit(ground, photograph.size)
    thing = _thing(photograph)
    if FEWEST < thing.mean() < MOST:
        return Image.composite(photograph, ground, Image.fromarray((255 * thing).astype(np.uint8)))
    width, height = (round(SMALL * length) for length in photograph.size)
    place = ((photograph.width - width) // 2, (photograph.height - height) // 2)
    ground.paste(photograph.resize((width, height), Image.Resampling.LANCZOS), place)
    return ground


def _thing(photograph: Image.Image) -> np.ndarray:
    """What stands in the middle, float [H, W] in [0, 1], with a soft edge."""
    pixels = np.ascontiguousarray(np.asarray(photograph)[..., ::-1])
    height, width = pixels.shape[:2]
    x, y = round(MARGIN * width), round(MARGIN * height)
    mask = np.zeros((height, width), np.uint8)
    cv2.setRNGSeed(0)
    rectangle = (x, y, width - 2 * x, height - 2 * y)
    cv2.grabCut(pixels, mask, rectangle, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_RECT)
    inside = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return cv2.GaussianBlur(inside, (0, 0), 1)


def main() -> None:
    test, others, out = map(Path, sys.argv[1:])
    other = photographs(others)
    grounds, outliers = other[::3], [file for number, file in enumerate(other) if number % 3]
    for file in photographs_in_classes(test):
        photograph = Image.open(file).convert("RGB")
        seed = zlib.crc32(file.name.encode())
        made = {
            "zoomed": zoomed(photograph),
            "grey": photograph.convert("L").convert("RGB"),
            "elsewhere": elsewhere(photograph, part(grounds[seed % len(grounds)], seed)),
        }
        for name, image in made.items():
            save(image, out / name / file.parent.name / f"{file.stem}.jpg")
    for file in outliers:
        for number in range(PARTS):
            save(
                part(file, zlib.crc32(file.name.encode()) + number),
                out / "outliers" / f"{file.stem}-{number}.jpg",
            )
    print(f"{out}: grounds of {len(grounds)} photographs, outliers of {len(outliers)}")


def photographs_in_classes(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.glob("*/*")) if file.suffix.lower() in KINDS]


def save(image: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, quality=95)


if __name__ == "__main__":
    main()
