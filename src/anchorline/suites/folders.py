"""Suites from class folders: `SET/CLASS/*.jpg`, classes matched by name, val split off train."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from anchorline.errors import UserError
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.sources import Folder
from anchorline.suites.labels import StrPath
from anchorline.suites.scan import assemble, class_folders, folder, labelled, outliers_of
from anchorline.suites.split import split_val


class SuiteFields(NamedTuple):
    """The fields of a `Suite`, which builds itself of them."""

    name: str
    classes: tuple[str, ...]
    train: ImageSet
    val: ImageSet
    test: ImageSet
    shifts: dict[str, ImageSet]
    outliers: dict[str, ImageSet]
    notes: tuple[str, ...]
    bad_images: Literal["error", "skip"]
    near: frozenset[str]


def read_folders(
    train: StrPath,
    test: StrPath | None,
    val: StrPath | None,
    shifts: Mapping[str, StrPath],
    outliers: Mapping[str, StrPath],
    bad_images: Literal["error", "skip"],
    name: str | None,
    near: Collection[str] = (),
) -> SuiteFields:
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
    _check_near(near, outliers)

    train_root = folder("train", train)
    by_class = class_folders("train", train_root)
    classes = tuple(sorted(by_class))
    if len(classes) < 2:
        raise UserError(f"the train folder {train_root} holds one class, {classes[0]!r}; give two or more")
    notes: list[str] = []

    def read(set_name: str, title: str, root: StrPath) -> ImageSet:
        return labelled(set_name, title, folder(title, root), classes, notes)

    everything = assemble("train", train_root, by_class, classes)
    if val is None:
        train_set, val_set = split_val(everything, classes, notes)
    else:
        train_set, val_set = everything, read("val", "val", val)
    return SuiteFields(
        name=name or default_name(train_root),
        classes=classes,
        train=train_set,
        val=val_set,
        test=read("test", "test", test),
        shifts={key: read(key, f"shift {key!r}", root) for key, root in shifts.items()},
        outliers={key: outliers_of(key, root, classes) for key, root in outliers.items()},
        notes=tuple(notes),
        bad_images=bad_images,
        near=frozenset(near),
    )


def read_for_classes(
    classes: tuple[str, ...],
    test: StrPath | None,
    shifts: Mapping[str, StrPath],
    outliers: Mapping[str, StrPath],
    bad_images: Literal["error", "skip"],
    name: str | None,
    near: Collection[str] = (),
) -> SuiteFields:
    """A suite to evaluate a classifier of these `classes` on: train and val hold no images.

    Raises `UserError` as `read_folders` does.
    """
    if test is None:
        raise UserError("no test set was given; name one with --test DIR")
    _check_names([*shifts, *outliers])
    _check_near(near, outliers)
    notes: list[str] = []
    root = folder("test", test)

    def read(set_name: str, title: str, where: StrPath) -> ImageSet:
        return labelled(set_name, title, folder(title, where), classes, notes)

    def empty(set_name: str) -> ImageSet:
        return ImageSet(set_name, Folder(root), (), np.zeros(0, np.int64))

    return SuiteFields(
        name=name or root.resolve().name,
        classes=classes,
        train=empty("train"),
        val=empty("val"),
        test=read("test", "test", test),
        shifts={key: read(key, f"shift {key!r}", where) for key, where in shifts.items()},
        outliers={key: outliers_of(key, where, classes) for key, where in outliers.items()},
        notes=tuple(notes),
        bad_images=bad_images,
        near=frozenset(near),
    )


def default_name(train: Path) -> str:
    """What a suite is called whose train set lies here."""
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


def _check_near(near: Collection[str], outliers: Mapping[str, StrPath]) -> None:
    for name in near:
        if name not in outliers:
            known = "the outlier sets: " + ", ".join(map(repr, outliers)) if outliers else "there is none"
            raise UserError(f"near names {name!r}, which is no outlier set; name one of them ({known})")
