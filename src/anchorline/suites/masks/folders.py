"""Segmentation suites from folders: SET/images/*.jpg, SET/masks/*.png of the same names, and classes.txt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from anchorline.errors import UserError, nearest
from anchorline.suites.folders import default_name
from anchorline.suites.images.files import find_images, same_name
from anchorline.suites.labels import StrPath, counted
from anchorline.suites.masks.files import Files, split_val
from anchorline.suites.masks.sets import IGNORED, MaskedSet
from anchorline.suites.scan import folder

CLASSES = "classes.txt"
_LOOKED_AT = 32  # masks of train that are read at once, to see whether they hold indices at all


class SuiteFields(NamedTuple):
    """The fields of a `SegmentationSuite`, which builds itself of them."""

    name: str
    classes: tuple[str, ...]
    train: MaskedSet
    val: MaskedSet
    test: MaskedSet
    shifts: dict[str, MaskedSet]
    notes: tuple[str, ...]


def read_folders(
    train: StrPath, test: StrPath, val: StrPath | None, shifts: Mapping[str, StrPath], name: str | None
) -> SuiteFields:
    """Find the images of a suite and their masks; some masks of train are opened.

    Each folder holds images/ and masks/: 8-bit PNGs of class indices, grey or with a palette, 255 where a
    pixel is ignored, named as their images. Train's classes.txt has a class a line, the first is index 0.
    Where another set has a classes.txt of its own, its indices are matched to train's by name. Without `val`,
    20 % of the images of train are taken.

    Raises `UserError` for anything amiss in what the user gave; for what is amiss in an image or a mask when
    it is read.
    """
    for one in shifts:
        # Figures are kept by the name of a set, and "fog/3" is a corruption of test.
        if not one.strip() or "/" in one or one in ("train", "val", "test"):
            raise UserError(f"a shift is named {one!r}; give it another name, as NAME=DIR")
    train_root = folder("train", train)
    classes = read_classes(train_root)
    notes: list[str] = []

    def read(set_name: str, title: str, where: StrPath) -> MaskedSet:
        return _listed(set_name, title, folder(title, where), classes, notes)

    everything = read("train", "train", train)
    _look_at(everything, classes)
    if val is None:
        names = [Path(everything.where(i)).stem for i in range(len(everything))]
        train_set, val_set, note = split_val(everything, names)
        notes.append(note)
    else:
        train_set, val_set = everything, read("val", "val", val)
    return SuiteFields(
        name=name or default_name(train_root),
        classes=classes,
        train=train_set,
        val=val_set,
        test=read("test", "test", test),
        shifts={key: read(key, f"shift {key!r}", where) for key, where in shifts.items()},
        notes=tuple(notes),
    )


def read_classes(root: Path) -> tuple[str, ...]:
    """The class names in `root`'s classes.txt, in their order. Raises `UserError` where it is of no use."""
    file = root / CLASSES
    try:
        lines = file.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except FileNotFoundError as error:
        raise UserError(
            f"there is no {file}; write one, a class name a line, the first for index 0"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file} as text ({error}); save it as UTF-8") from error
    names = tuple(same_name(line).strip() for line in lines)
    for number, one in enumerate(names, 1):
        if not one:
            raise UserError(f"line {number} of {file} is blank; each line names the class of one index")
        first = names.index(one) + 1
        if first != number:
            raise UserError(f"{file} names {one!r} on line {first} and on line {number}; rename one")
    if not 2 <= len(names) <= IGNORED:
        raise UserError(f"{file} names {len(names)} of the 2 to {IGNORED} classes that there can be; mend it")
    return names


def _listed(name: str, title: str, root: Path, classes: tuple[str, ...], notes: list[str]) -> MaskedSet:
    layout = f"lay them out as {root}{os.sep}images{os.sep}*.jpg and {root}{os.sep}masks{os.sep}*.png"
    for inner in ("images", "masks"):
        if not (root / inner).is_dir():
            raise UserError(f"the {title} folder {root} holds no folder {inner}; {layout}")
    images = _by_stem(root / "images")
    masks = _by_stem(root / "masks")
    if not images:
        raise UserError(f"the {title} folder {root / 'images'} holds no images; {layout}")
    bare = [path for stem, path in images.items() if stem not in masks]
    if bare:
        more = f" (nor have {len(bare) - 1} more)" if len(bare) > 1 else ""
        raise UserError(
            f"the image {root / 'images' / bare[0]} has no mask{more}; put a PNG of that name into "
            f"{root / 'masks'}, or remove the image"
        )
    for stem in images:
        if not masks[stem].lower().endswith(".png"):
            raise UserError(
                f"the mask {root / 'masks' / masks[stem]} is no PNG; save it as one, which is exact"
            )
    spare = len(masks) - len(images)
    if spare:
        notes.append(f"{title}: {counted(spare, 'mask')} without an image left out")
    source = Files(
        tuple(root / "images" / path for path in images.values()),
        tuple(root / "masks" / masks[stem] for stem in images),
        _meanings(title, root, classes),
    )
    return MaskedSet(name, source, tuple(range(len(images))))


def _by_stem(root: Path) -> dict[str, str]:
    """Paths below `root` by what images and masks share: the path without its extension."""
    found: dict[str, str] = {}
    for path in find_images(root):
        stem = same_name(str(PurePosixPath(path).with_suffix("")))
        if stem in found:
            raise UserError(f"{root} holds both {found[stem]} and {path}, one name for a mask; rename one")
        found[stem] = path
    return found


def _meanings(title: str, root: Path, classes: tuple[str, ...]) -> tuple[int, ...]:
    """What the indices in a set's masks stand for: matched by name, where it names its classes."""
    if not (root / CLASSES).is_file():
        return tuple(range(len(classes)))
    own = read_classes(root)
    for one in own:
        if one not in classes:
            raise UserError(
                f"{title} has an unknown class: {one!r} in {root / CLASSES}; "
                f"rename it as in train's {CLASSES} ({nearest(one, classes)})"
            )
    return tuple(classes.index(one) for one in own)


def _look_at(images: MaskedSet, classes: tuple[str, ...]) -> None:
    """Masks of 0 and 255, drawn as black and white, would be valid and mean one class: refuse them."""
    some = np.linspace(0, len(images) - 1, min(len(images), _LOOKED_AT)).astype(int)
    held = set(np.unique(np.concatenate([np.unique(images.mask(int(i))) for i in some]))) - {IGNORED}
    if len(held) < 2:
        what = f"no class but {classes[held.pop()]!r}" if held else "no class at all"
        raise UserError(
            f"the masks of train hold {what} (looked at {len(some)}, one is that of {images.where(0)}); "
            f"masks hold class indices, 0, 1, 2 …, and {IGNORED} is ignored"
        )
