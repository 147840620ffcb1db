"""Sets of images with masks: noise in memory, blocks in folders."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anchorline.errors import UserError
from anchorline.suites.masks.sets import Arrays, MaskedSet
from anchorline.suites.masks.suite import SegmentationSuite

BLOCKS = ("ground", "cat", "dog")


def held(images: np.ndarray, masks: np.ndarray, name: str = "test") -> MaskedSet:
    return MaskedSet(name, Arrays(images, masks, "held"), tuple(range(len(images))))


def random_set(count: int = 3, height: int = 40, width: int = 48, seed: int = 0) -> MaskedSet:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, height, width, 3), np.uint8)
    return held(images, rng.choice(np.array([0, 1, 2, 255], np.uint8), (count, height, width)))


def write_pair(root: Path, stem: str, mask: np.ndarray, suffix: str = ".png") -> None:
    """A picture in which class 0 is black, class 1 red, class 2 blue; and its mask, with a palette."""
    for inner in ("images", "masks"):
        (root / inner / stem).parent.mkdir(parents=True, exist_ok=True)
    colours = np.zeros((256, 3), np.uint8)
    colours[1], colours[2] = (200, 0, 0), (0, 0, 200)
    Image.fromarray(colours[mask]).save(root / "images" / f"{stem}{suffix}")
    picture = Image.fromarray(mask)
    picture.putpalette(colours.ravel().tolist())
    picture.save(root / "masks" / f"{stem}.png")


def write_set(root: Path, count: int, classes: tuple[str, ...] | None = None) -> Path:
    """Pictures of 10 x 12 pixels, each with a block of class 1 or 2 and a row that is ignored."""
    for number in range(count):
        mask = np.zeros((12, 10), np.uint8)
        mask[2:6, 2:8] = 1 + number % 2
        mask[9, :] = 255
        write_pair(root, f"{number:02}", mask)
    if classes:
        (root / "classes.txt").write_text("\n".join(classes) + "\n")
    return root


def error(**arguments) -> str:
    """The sentence with which reading a suite from folders, and its images, is refused."""

    def read():
        for images in SegmentationSuite.from_folders(**arguments).sets().values():
            images.decoded(8, 8)

    with pytest.raises(UserError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    return message
