"""A suite: one task's train, val and test set, its shifted sets and its outlier sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from anchorline.errors import UserError
from anchorline.suites.folders import read_folders, read_for_classes
from anchorline.suites.images.decode import BadImage
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.labels import StrPath, columns_of, counted, lacking
from anchorline.suites.split import draw_shots
from anchorline.suites.toml import read_toml


@dataclass(frozen=True, eq=False)
class Suite:
    """A benchmark on one list of classes.

    Attributes:
        name: for titles and file names.
        classes: class names, sorted; labels and columns index into them.
        train, val, test: the sets in distribution.
        shifts: same classes, other look; by name.
        outliers: other classes; by name.
        near: the outlier sets that are near: close to the classes in meaning; the others are far.
        notes: what the user must know: lacking classes, skipped images, how val came about.
        bad_images: what to do with images that cannot be read: "error" or "skip".
    """

    name: str
    classes: tuple[str, ...]
    train: ImageSet
    val: ImageSet
    test: ImageSet
    shifts: Mapping[str, ImageSet] = field(default_factory=dict)
    outliers: Mapping[str, ImageSet] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    bad_images: Literal["error", "skip"] = "error"
    near: frozenset[str] = frozenset()

    @classmethod
    def from_folders(
        cls,
        train: StrPath,
        test: StrPath | None = None,
        val: StrPath | None = None,
        shifts: Mapping[str, StrPath] | None = None,
        outliers: Mapping[str, StrPath] | None = None,
        bad_images: Literal["error", "skip"] = "error",
        name: str | None = None,
        near: Collection[str] = (),
    ) -> Suite:
        """A suite from class folders; see `folders.read_folders`."""
        found = read_folders(train, test, val, shifts or {}, outliers or {}, bad_images, name, near)
        return cls(**found._asdict())

    @classmethod
    def for_classes(
        cls,
        classes: Sequence[str],
        test: StrPath | None,
        shifts: Mapping[str, StrPath] | None = None,
        outliers: Mapping[str, StrPath] | None = None,
        bad_images: Literal["error", "skip"] = "error",
        name: str | None = None,
        near: Collection[str] = (),
    ) -> Suite:
        """A suite to evaluate on, for classes that are known; see `folders.read_for_classes`."""
        known = tuple(classes)
        found = read_for_classes(known, test, shifts or {}, outliers or {}, bad_images, name, near)
        return cls(**found._asdict())

    @classmethod
    def from_toml(cls, path: StrPath) -> Suite:
        """A suite from one `suite.toml`; see `toml.read_toml`."""
        return cls.from_folders(**read_toml(path))

    @property
    def hash(self) -> str:
        """Hex sha256 (16 digits) over class names, roles, and images and labels of all sets."""
        parts = [json.dumps(self.classes)]
        parts += [list(self.shifts).__repr__(), list(self.outliers).__repr__()]
        for name, images in self.sets().items():
            labels = b"" if images.labels is None else images.labels.tobytes()
            parts.append(f"{name} {images.content_hash()} {hashlib.sha256(labels).hexdigest()}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def sets(self) -> dict[str, ImageSet]:
        """All sets by name: train, val, test, the shifts, the outlier sets."""
        return {
            "train": self.train,
            "val": self.val,
            "test": self.test,
            **self.shifts,
            **self.outliers,
        }

    def shots(self, k: int, seed: int) -> Suite:
        """This suite with `k` images of each class of train, drawn by seed; see `split.draw_shots`."""
        train, note = draw_shots(self.train, len(self.classes), k, seed)
        return replace(self, train=train, notes=(*self.notes, note))

    def without_bad(self, bad: Mapping[str, Sequence[BadImage]]) -> Suite:
        """This suite without the images that `decode` could not read, by set name.

        Raises `UserError` if there are any and `bad_images` is "error", or if a set, or a class
        of train, is left without images.
        """
        every = [image for images in bad.values() for image in images]
        if every and self.bad_images == "error":
            named = ", ".join(f"{image.where} {image.reason}" for image in every[:5])
            rest = f" and {len(every) - 5} more" if len(every) > 5 else ""
            raise UserError(
                f"{counted(len(every), 'image')} cannot be used: {named}{rest}; "
                "mend or remove them, or leave them out with --bad-images skip"
            )
        notes: list[str] = []

        def clean(title: str, images: ImageSet, key: str) -> ImageSet:
            broken = bad.get(key, ())
            if not broken:
                return images
            kept = np.delete(np.arange(len(images)), [image.index for image in broken])
            first = f"the first is {broken[0].where}, which {broken[0].reason}"
            if not len(kept):
                raise UserError(f"no image of {title} can be used ({first}); mend them")
            notes.append(f"{title}: {counted(len(broken), 'bad image')} skipped; {first}")
            return self._with_columns(title, images.select(kept), notes)

        return replace(
            self,
            train=clean("train", self.train, "train"),
            val=clean("val", self.val, "val"),
            test=clean("test", self.test, "test"),
            shifts={name: clean(f"shift {name!r}", s, name) for name, s in self.shifts.items()},
            outliers={name: clean(f"outlier {name!r}", s, name) for name, s in self.outliers.items()},
            notes=(*self.notes, *notes),
        )

    def _with_columns(self, title: str, images: ImageSet, notes: list[str]) -> ImageSet:
        if images.labels is None:
            return images
        columns = columns_of(images.labels, len(self.classes))
        if columns == images.columns or columns is None:
            return images
        if title == "train":
            lost = next(name for i, name in enumerate(self.classes) if i not in columns)
            raise UserError(f"no image of class {lost!r} in train can be used; mend or add images")
        notes.append(lacking(title, len(columns), len(self.classes)))
        return replace(images, columns=columns)
