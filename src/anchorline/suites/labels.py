"""What sets of images say of their labels: which classes they hold, and the notes about it."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

StrPath = str | os.PathLike[str]


def columns_of(labels: npt.NDArray[np.int64], classes: int) -> tuple[int, ...] | None:
    """The classes that occur in `labels` [N], ascending; None if all `classes` of them do."""
    present = tuple(int(label) for label in np.unique(labels))
    return None if len(present) == classes else present


def lacking(title: str, held: int, classes: int) -> str:
    """The note on a set that holds a part of the classes."""
    return f"{title} holds {held} of the {classes} classes; only these compete"


def counted(count: int, noun: str) -> str:
    """ "1 image", "2 images"."""
    return f"{count} {noun}" + ("" if count == 1 else "s")
