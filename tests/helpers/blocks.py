"""Images of coloured blocks, whose masks are the blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from anchorline.suites.masks.sets import Arrays, MaskedSet

SIZE = 64
BLOCKS = ("ground", "red", "green")


def blocks(name: str, count: int, seed: int, size: int = SIZE) -> MaskedSet:
    """Noise with a red and a green block; their pixels are the masks."""
    rng = np.random.default_rng(seed)
    images = rng.integers(90, 160, (count, size, size, 3), dtype=np.uint8)
    masks = np.zeros((count, size, size), np.uint8)
    for image, mask in zip(images, masks, strict=True):
        for label in (1, 2):
            y, x = rng.integers(0, size - 24, 2)
            image[y : y + 24, x : x + 24] = np.eye(3, dtype=np.uint8)[label - 1] * 220
            mask[y : y + 24, x : x + 24] = label
        mask[0] = 255
    return MaskedSet(name, Arrays(images, masks, name), tuple(range(count)))


def write_blocks(folder: Path, name: str, count: int, seed: int) -> Path:
    """A folder of a segmentation suite, with its classes; gives its path."""
    images = blocks(name, count, seed)
    for part in ("images", "masks"):
        (folder / name / part).mkdir(parents=True)
    for i in range(count):
        Image.fromarray(images.image(i)).save(folder / name / "images" / f"{i}.png")
        Image.fromarray(images.mask(i)).save(folder / name / "masks" / f"{i}.png")
    (folder / name / "classes.txt").write_text("\n".join(BLOCKS))
    return folder / name
