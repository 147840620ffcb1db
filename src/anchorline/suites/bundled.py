"""The suite that ships with the package: `pictograms`, things drawn by many artists."""

from __future__ import annotations

import zipfile
from collections import defaultdict
from importlib.resources import files
from pathlib import Path

import numpy as np

from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.sources import Archive
from anchorline.suites.labels import columns_of, lacking
from anchorline.suites.suite import Suite

BUNDLED = "pictograms"
FILE = Path(str(files("anchorline") / "data" / "pictograms.zip"))


def pictograms() -> Suite:
    """86 kinds of things; train and val by four artists, everything else by others.

    64 x 64 pixels. In distribution: outline drawings. Built by scripts/pictograms/build_suite.py
    from icon sets under permissive licences; see ATTRIBUTION.md beside the file.
    """
    members: dict[str, list[str]] = defaultdict(list)
    with zipfile.ZipFile(FILE) as archive:
        for member in archive.namelist():
            depth = 2 if member.startswith(("shifts/", "outliers/")) else 1
            members["/".join(member.split("/")[:depth])].append(member)
    classes = tuple(sorted({member.split("/")[1] for member in members["train"]}))
    source = Archive(FILE)
    notes: list[str] = []

    def labelled(where: str) -> ImageSet:
        name = where.split("/")[-1]
        labels = np.array([classes.index(m.split("/")[-2]) for m in members[where]], np.int64)
        columns = columns_of(labels, len(classes))
        if columns is not None:
            notes.append(lacking(f"shift {name!r}", len(columns), len(classes)))
        return ImageSet(name, source, tuple(members[where]), labels, columns)

    return Suite(
        name=BUNDLED,
        classes=classes,
        train=labelled("train"),
        val=labelled("val"),
        test=labelled("test"),
        shifts={where.split("/")[1]: labelled(where) for where in members if where.startswith("shifts/")},
        outliers={
            where.split("/")[1]: ImageSet(where.split("/")[1], source, tuple(paths))
            for where, paths in members.items()
            if where.startswith("outliers/")
        },
        notes=tuple(notes),
        near=frozenset({"near-objects"}),
    )
