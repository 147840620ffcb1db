"""Suites from class folders: `SET/CLASS/*.jpg`, classes matched by name, val split off train."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from anchorline.errors import UserError
from anchorline.suites.images import Folder, ImageSet, find_images, is_image, same_name, visible
from anchorline.suites.split import split_val
from anchorline.suites.suite import StrPath, Suite, columns_of, counted, lacking


def read_folders(
    train: StrPath,
    test: StrPath | None,
    val: StrPath | None,
    shifts: Mapping[str, StrPath],
    outliers: Mapping[str, StrPath],
    bad_images: Literal["error", "skip"],
    name: str | None,
) -> Suite:
    """Find and label the images of a suite; none is opened.

    The classes are the names of train's class folders, sorted (Unicode NFC, stripped). Every
    other set is matched to them by name. Without `val`, 20 % of each class of train is taken.

    Raises `UserError` for anything amiss in what the user gave.
    """
    if test is None:
        raise UserError("no test set was given; name one with --test DIR, or as test in suite.toml")
    if bad_images not in ("error", "skip"):
        raise UserError(f"bad_images is {bad_images!r}; it must be 'error' or 'skip'")
    _check_names([*shifts, *outliers])

    train_root = _folder("train", train)
    by_class = _class_folders("train", train_root)
    classes = tuple(sorted(by_class))
    if len(classes) < 2:
        raise UserError(f"the train folder {train_root} holds one class, {classes[0]!r}; give two or more")
    notes: list[str] = []

    def read(set_name: str, title: str, root: StrPath) -> ImageSet:
        return _labelled(set_name, title, _folder(title, root), classes, notes)

    everything = _assemble("train", train_root, by_class, classes)
    if val is None:
        train_set, val_set = split_val(everything, classes, notes)
    else:
        train_set, val_set = everything, read("val", "val", val)
    return Suite(
        name=name or _default_name(train_root),
        classes=classes,
        train=train_set,
        val=val_set,
        test=read("test", "test", test),
        shifts={key: read(key, f"shift {key!r}", root) for key, root in shifts.items()},
        outliers={key: _outliers(key, root, classes) for key, root in outliers.items()},
        notes=tuple(notes),
        bad_images=bad_images,
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """A phrase that names the known names nearest to a wrong one, whatever their case."""
    folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)
    if close:
        return "the nearest known: " + ", ".join(repr(folded[one]) for one in close)
    return "known: " + ", ".join(map(repr, list(folded.values())[:10]))


def _default_name(train: Path) -> str:
    root = train.resolve()
    return (root.parent.name if root.name.casefold() in ("train", "training") else root.name) or "-"


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if not name.strip():
            raise UserError("a shift or outlier set has no name; write it as NAME=DIR")
        if name in ("train", "val", "test"):
            raise UserError(f"a shift or outlier set is named {name!r}; give it another name")
        if names.count(name) > 1:
            raise UserError(f"a shift and an outlier set are both named {name!r}; rename one")


def _folder(title: str, path: StrPath) -> Path:
    folder = Path(path).expanduser()
    if not folder.exists():
        raise UserError(f"the {title} folder {folder} does not exist; check the path")
    if not folder.is_dir():
        raise UserError(f"{folder}, given for {title}, is a file; give a folder of images")
    return folder


def _class_folders(title: str, root: Path) -> dict[str, list[str]]:
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
    for folder in folders:
        name = same_name(folder.name).strip()
        if not name:
            raise UserError(f"a class folder in {root} has a blank name; rename it")
        twin = seen.setdefault(name.casefold(), folder.name)
        if twin != folder.name:
            raise UserError(
                f"the {title} folder {root} has a duplicate name: {twin!r} and {folder.name!r} "
                "are one class; merge them or rename one"
            )
        by_class[name] = [f"{folder.name}/{path}" for path in find_images(folder)]
    for name, paths in by_class.items():
        if not paths:
            raise UserError(
                f"the class folder {name!r} in the {title} folder {root} holds no images; "
                "add some or remove it"
            )
    return by_class


def _labelled(name: str, title: str, root: Path, classes: tuple[str, ...], notes: list[str]) -> ImageSet:
    by_class = _class_folders(title, root)
    unknown = sorted(set(by_class) - set(classes))
    if unknown:
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise UserError(
            f"{title} has a class that train lacks: {unknown[0]!r}{more} in {root}; rename or "
            f"remove its folder ({nearest(unknown[0], classes)})"
        )
    images = _assemble(name, root, by_class, classes)
    if images.columns:
        notes.append(lacking(title, len(images.columns), len(classes)))
    return images


def _assemble(
    name: str, root: Path, by_class: Mapping[str, Sequence[str]], classes: tuple[str, ...]
) -> ImageSet:
    index = {one: i for i, one in enumerate(classes)}
    pairs = [(path, index[one]) for one, paths in by_class.items() for path in paths]
    pairs.sort(key=lambda pair: same_name(pair[0]))
    labels = np.array([label for _, label in pairs], dtype=np.int64)
    paths = tuple(path for path, _ in pairs)
    return ImageSet(name, Folder(root), paths, labels, columns_of(labels, len(classes)))


def _outliers(name: str, path: StrPath, classes: tuple[str, ...]) -> ImageSet:
    root = _folder(f"outlier {name!r}", path)
    paths = tuple(find_images(root))
    if not paths:
        raise UserError(f"the outlier {name!r} folder {root} holds no images; check the path")
    known = {one.casefold(): one for one in classes}
    for folder in sorted({part for one in paths for part in one.split("/")[:-1]}):
        clash = known.get(same_name(folder).strip().casefold())
        if clash:
            raise UserError(
                f"the outlier {name!r} folder {root} has a sub-folder {folder!r}, a known class; "
                "outliers must be images of no known class, so remove it"
            )
    return ImageSet(name, Folder(root), paths)
