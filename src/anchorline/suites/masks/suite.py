"""A suite of images with masks: train, val and test of one list of classes, and their shifts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from anchorline.suites.labels import StrPath
from anchorline.suites.masks.folders import read_folders
from anchorline.suites.masks.sets import MaskedSet


@dataclass(frozen=True, eq=False)
class SegmentationSuite:
    """A benchmark of segmentation on one list of classes.

    Attributes:
        name: for titles and file names.
        classes: class names; a mask's indices point into them.
        train, val, test: the sets in distribution.
        shifts: same classes, other look; by name. One may lack classes.
        notes: what the user must know: how val came about, which classes a set lacks.
    """

    name: str
    classes: tuple[str, ...]
    train: MaskedSet
    val: MaskedSet
    test: MaskedSet
    shifts: Mapping[str, MaskedSet] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def from_folders(
        cls,
        train: StrPath,
        test: StrPath,
        val: StrPath | None = None,
        shifts: Mapping[str, StrPath] | None = None,
        name: str | None = None,
    ) -> SegmentationSuite:
        """A suite from folders of images and masks; see `folders.read_folders`."""
        return cls(**read_folders(train, test, val, shifts or {}, name)._asdict())

    @property
    def hash(self) -> str:
        """Hex sha256 (16 digits) over class names, names of sets, and the images and masks of all."""
        parts = [json.dumps(self.classes)]
        parts += [f"{name} {images.content_hash()}" for name, images in self.sets().items()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def sets(self) -> dict[str, MaskedSet]:
        """All sets by name: train, val, test, the shifts."""
        return {"train": self.train, "val": self.val, "test": self.test, **self.shifts}
