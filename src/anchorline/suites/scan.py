"""Looks into folders: class folders, their images, and all that can be wrong with them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from anchorline.engine.paths import expanded
from anchorline.errors import UserError, nearest
from anchorline.suites.images.files import find_images, is_image, same_name, visible
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.sources import Folder
from anchorline.suites.labels import StrPath, columns_of, counted, lacking


def folder(title: str, path: StrPath) -> Path:
    """The folder that the user gave for a set. Raises `UserError` if there is none."""
    found = expanded(path)
    try:
        exists = found.exists()
    except OSError as error:
        raise UserError(f"cannot look into {found} ({error.strerror}); check the path") from error
    if not exists:
        raise UserError(f"the {title} folder {found} does not exist; check the path")
    if not found.is_dir():
        raise UserError(f"{found}, given for {title}, is a file; give a folder of images")
    return found


def class_folders(title: str, root: Path) -> dict[str, list[str]]:
    """Image paths relative to `root`, by class name."""
    try:
        entries = sorted(entry for entry in root.iterdir() if visible(entry.name))
    except OSError as error:
        raise UserError(
            f"cannot list the {title} folder {root} ({error.strerror}); check its permissions"
        ) from error
    loose = [entry.name for entry in entries if is_image(entry.name) and not entry.is_dir()]
    if loose:
        raise UserError(
            f"the {title} folder {root} holds {counted(len(loose), 'image')} outside any class "
            f"folder, such as {loose[0]}; lay them out as {root}{os.sep}CLASS{os.sep}*.jpg"
        )
    above = {root.resolve(), *root.resolve().parents}  # a link to these is a loop, not a class
    folders = [entry for entry in entries if entry.is_dir() and entry.resolve() not in above]
    if not folders:
        raise UserError(
            f"the {title} folder {root} holds no class folders; "
            f"lay the images out as {root}{os.sep}CLASS{os.sep}*.jpg"
        )
    by_class: dict[str, list[str]] = {}
    seen: dict[str, str] = {}
    for entry in folders:
        name = same_name(entry.name).strip()
        if not name:
            raise UserError(f"a class folder in {root} has a blank name; rename it")
        if not name.isprintable():  # also what is left of bytes that are no UTF-8
            raise UserError(f"the class folder {name!r} in {root} has a name that is no text; rename it")
        twin = seen.setdefault(name.casefold(), entry.name)
        if twin != entry.name:
            raise UserError(
                f"the {title} folder {root} has a duplicate name: {twin!r} and {entry.name!r} "
                "are one class; merge them or rename one"
            )
        by_class[name] = [f"{entry.name}/{path}" for path in find_images(entry)]
    for name, paths in by_class.items():
        if not paths:
            raise UserError(
                f"the class folder {name!r} in the {title} folder {root} holds no images; "
                "add some or remove it"
            )
    return by_class


def labelled(name: str, title: str, root: Path, classes: tuple[str, ...], notes: list[str]) -> ImageSet:
    by_class = class_folders(title, root)
    unknown = sorted(set(by_class) - set(classes))
    if unknown:
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise UserError(
            f"{title} has an unknown class: {unknown[0]!r}{more} in {root}; rename or "
            f"remove its folder ({nearest(unknown[0], classes)})"
        )
    images = assemble(name, root, by_class, classes)
    if images.columns:
        notes.append(lacking(title, len(images.columns), len(classes)))
    return images


def assemble(
    name: str, root: Path, by_class: Mapping[str, Sequence[str]], classes: tuple[str, ...]
) -> ImageSet:
    index = {one: i for i, one in enumerate(classes)}
    pairs = [(path, index[one]) for one, paths in by_class.items() for path in paths]
    pairs.sort(key=lambda pair: same_name(pair[0]))
    labels = np.array([label for _, label in pairs], dtype=np.int64)
    paths = tuple(path for path, _ in pairs)
    return ImageSet(name, Folder(root), paths, labels, columns_of(labels, len(classes)))


def outliers_of(name: str, path: StrPath, classes: tuple[str, ...]) -> ImageSet:
    root = folder(f"outlier {name!r}", path)
    paths = tuple(find_images(root))
    if not paths:
        raise UserError(f"the outlier {name!r} folder {root} holds no images; check the path")
    known = {one.casefold(): one for one in classes}
    for inner in sorted({part for one in paths for part in one.split("/")[:-1]}):
        clash = known.get(same_name(inner).strip().casefold())
        if clash:
            raise UserError(
                f"the outlier {name!r} folder {root} has a sub-folder {inner!r}, a known class; "
                "outliers must be images of no known class, so remove it"
            )
    return ImageSet(name, Folder(root), paths)
