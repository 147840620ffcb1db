"""Data sets whose images lie in folders: one a class, or any at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from anchorline.errors import UserError
from anchorline.suites.benchmarks.dataset import Listing
from anchorline.suites.images.files import find_images, is_image, visible
from anchorline.suites.images.sources import Folder


def usual(below: Sequence[str], signs: Sequence[str] = ()) -> Callable[[Path], Path | None]:
    """A `Part.find`: the first folder of `below` that holds one of the `signs`; else the first there is.

    Unlike `folder_with` it never takes the root itself: data sets whose layout is just "images" are told
    apart by the names of their folders.
    """

    def find(root: Path) -> Path | None:
        there = [root / name for name in below if (root / name).is_dir()]
        return next(
            (one for one in there if any((one / sign).exists() for sign in signs)), next(iter(there), None)
        )

    return find


def in_class_folders(part: str, root: Path, class_map: Mapping[str, str]) -> Listing:
    """The images root/FOLDER/*, in the order of their paths; `class_map`: the class by folder.

    Raises `UserError` if a folder is lacking, empty, still packed, or of no class.
    """
    held = folders(part, root)
    lacking = [name for name in class_map if name not in held]
    packed = next((f"{name}.tar" for name in lacking if (root / f"{name}.tar").is_file()), None)
    if packed:
        raise UserError(
            f"{part}: {root} holds {packed}, not unpacked; unpack each tar into a folder of its name"
        )
    if len(lacking) == len(class_map):
        raise UserError(
            f"{part}: {root} holds no class folder such as {lacking[0]}; extract the archive there"
        )
    if lacking:
        raise UserError(
            f"{part}: {root} lacks {len(lacking):,} of the {len(class_map):,} class folders, such as "
            f"{lacking[0]}; extract the whole archive again"
        )
    unknown = next((name for name in held if name not in class_map), None)
    if unknown:
        raise UserError(f"{part}: {root} holds {unknown}, which is no class of it; is it that data set?")
    paths: list[str] = []
    names: list[str] = []
    for name in sorted(class_map):
        images = images_in(root / name)
        if not images:
            raise UserError(f"{part}: {root / name} holds no images; extract the whole archive again")
        paths += [f"{name}/{image}" for image in images]
        names += [class_map[name]] * len(images)
    return Listing(Folder(root), tuple(paths), tuple(names))


def anywhere(root: Path) -> Listing:
    """All images at any depth below `root`: a set without classes."""
    return Listing(Folder(root), tuple(find_images(root)))


def folders(part: str, root: Path) -> list[str]:
    """Names of the folders in `root`, sorted. Raises `UserError` if it is none."""
    try:
        with os.scandir(root) as entries:
            return sorted(entry.name for entry in entries if visible(entry.name) and entry.is_dir())
    except OSError as error:
        raise UserError(
            f"{part}: cannot list {root} ({error.strerror}); extract the archive there"
        ) from error


def images_in(folder: Path) -> list[str]:
    """Names of the images in one folder, sorted; ImageNet has a million of them, so no `Path` each."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if is_image(entry.name))
