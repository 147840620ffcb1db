"""Miniatures of PASCAL VOC 2012, PASCAL-Context and PASCAL-Person-Part in their true formats.

A class has its colour everywhere, so that something can be learnt; the pictures show nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from anchorline.suites.images.rgb import Pixels

_TRAIN, _VAL = 20, 6  # images listed
_OUTLINE = 255  # void, between things

Draw = Callable[[np.random.Generator], Pixels]


def write(root: Path, seed: int = 0) -> None:
    """Write VOCdevkit/VOC2012, VOCdevkit/VOC2010 and pascal_person_part below `root`, the same each time."""
    rng = np.random.default_rng(seed)
    voc2012, voc2010 = root / "VOCdevkit" / "VOC2012", root / "VOCdevkit" / "VOC2010"
    parts = root / "pascal_person_part"

    masks = voc2012 / "SegmentationClass"
    train, val = _pairs(rng, 2007, voc2012 / "JPEGImages", masks, _things(21, 4, _OUTLINE))
    _lists(voc2012 / "ImageSets" / "Segmentation", train, val)

    masks = voc2010 / "SegmentationClassContext"
    train, val = _pairs(rng, 2008, voc2010 / "JPEGImages", masks, _things(60, 5, None))
    _lists(voc2010 / "ImageSets" / "SegmentationContext", train, val)

    train, val = _pairs(rng, 2009, voc2010 / "JPEGImages", parts / "pascal_person_part_gt", _person)
    lists = parts / "pascal_person_part_trainval_list"
    for split, stems in (("train", train), ("val", val)):  # two forms, as they are published
        paths = [f"/JPEGImages/{stem}.jpg /SegmentationPart/{stem}.png" for stem in stems]
        _write_lines(lists / f"{split}.txt", paths)
        _write_lines(lists / f"{split}_id.txt", stems)


def palette() -> list[int]:
    """VOC's colours, 256 times RGB: the bits of an index, spread over the channels from the highest bit."""
    colours = []
    for index in range(256):
        for channel in range(3):
            colours.append(sum((index >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3)))
    return colours


def _pairs(
    rng: np.random.Generator, year: int, images: Path, masks: Path, draw: Draw
) -> tuple[list[str], list[str]]:
    """Write images and masks; the names of those that train and val list. One more image is in no list."""
    for folder in (images, masks):
        folder.mkdir(parents=True, exist_ok=True)
    stems = [f"{year}_{number:06d}" for number in range(_TRAIN + _VAL + 1)]
    for stem in stems:
        mask = draw(rng)
        picture = Image.fromarray(mask)
        picture.putpalette(palette())
        picture.save(masks / f"{stem}.png")
        colours = np.array(palette(), np.uint8).reshape(256, 3)
        pixels = 40 + 0.7 * colours[mask] + rng.normal(0, 6, (*mask.shape, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(images / f"{stem}.jpg", quality=90)
    return stems[:_TRAIN], stems[_TRAIN:-1]


def _things(classes: int, most: int, outline: int | None) -> Draw:
    """Some rectangles of any class, with an outline as VOC's things have it."""

    def draw(rng: np.random.Generator) -> Pixels:
        height, width = (int(side) for side in rng.integers(40, 65, 2))
        mask = np.zeros((height, width), np.uint8)
        for _ in range(int(rng.integers(2, most + 1))):
            y, x = int(rng.integers(height - 20)), int(rng.integers(width - 20))
            thing = mask[y : y + int(rng.integers(14, 30)), x : x + int(rng.integers(14, 30))]
            index = int(rng.integers(1, classes))
            if outline is not None:
                thing[:] = outline
                thing = thing[1:-1, 1:-1]
            thing[:] = index
        return mask

    return draw


def _person(rng: np.random.Generator) -> Pixels:
    """Six parts of a body, upright, at any place."""
    height, width = (int(side) for side in rng.integers(48, 65, 2))
    mask = np.zeros((height, width), np.uint8)
    y, x = int(rng.integers(height - 44)), int(rng.integers(width - 28))
    for index, top, left, bottom, right in (
        (1, 0, 10, 8, 18),  # head
        (2, 8, 8, 24, 20),  # torso
        (3, 8, 4, 16, 8), (3, 8, 20, 16, 24),  # upper arms
        (4, 16, 2, 24, 6), (4, 16, 22, 24, 26),  # lower arms
        (5, 24, 8, 34, 13), (5, 24, 15, 34, 20),  # upper legs
        (6, 34, 8, 44, 13), (6, 34, 15, 44, 20),  # lower legs
    ):  # fmt: skip
        mask[y + top : y + bottom, x + left : x + right] = index
    return mask


def _lists(folder: Path, train: list[str], val: list[str]) -> None:
    for name, stems in (("train", train), ("val", val), ("trainval", train + val)):
        _write_lines(folder / f"{name}.txt", stems)


def _write_lines(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
