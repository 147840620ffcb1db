"""A published benchmark: which data sets it is made of, and the suite that they give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from anchorline.engine.paths import expanded
from anchorline.errors import UserError, nearest
from anchorline.suites.benchmarks.dataset import Dataset, Listing
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.labels import StrPath, columns_of, counted, lacking
from anchorline.suites.split import VAL_SHARE, split_val
from anchorline.suites.suite import Suite


@dataclass(frozen=True)
class Split:
    """One split of a data set, and what its class names are called in the benchmark.

    Attributes:
        part: the data set.
        name: "train", "test" …, a key of `part.images`.
        class_map: class name of the data set -> class of the benchmark, or None: these images are left out.
            Names that are not here are the same in both.
    """

    part: Dataset
    name: str = "test"
    class_map: Mapping[str, str | None] = field(default_factory=dict)

    def listed(self, root: Path, complete: bool) -> Listing | None:
        """What lies below `root`; None if the data set is not there.

        Raises `UserError` for what `Dataset.read` finds amiss, for no images at all and, with `complete`, for
        another number of images than a whole copy has.
        """
        found = self.part.find(root)
        if found is None:
            return None
        listed = self.part.read(found, self.name)
        held = len(listed.paths)
        if not held or (complete and not self.part.is_whole(self.name, held)):
            size = self.part.size(self.name)
            of = f"{held:,} of {size}" if size else "no image"
            raise UserError(f"{self.part.name} ({self.name}) in {found} holds {of}; get it anew")
        return listed


@dataclass(frozen=True)
class Benchmark:
    """A suite that is made of public data sets.

    Attributes:
        name: "cifar10".
        about: one line.
        paper: who uses it so.
        classes: in the benchmark's own words, for captions; all differ.
        train, test: in distribution.
        shifts, outliers: by the name that they have in tables.
        near: the outlier sets that are near the classes in meaning.
        val_share: share of each class of train that becomes val; see `split_val`.
        notes: what every user of it must know.
    """

    name: str
    about: str
    paper: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    shifts: Mapping[str, Split] = field(default_factory=dict)
    outliers: Mapping[str, Split] = field(default_factory=dict)
    near: frozenset[str] = frozenset()
    val_share: float = VAL_SHARE
    notes: tuple[str, ...] = ()

    def splits(self) -> Iterator[tuple[str, Split]]:
        """All splits with their roles: "train", "test", "shift NAME", "outlier NAME"."""
        yield "train", self.train
        yield "test", self.test
        for name, split in self.shifts.items():
            yield f"shift {name}", split
        for name, split in self.outliers.items():
            yield f"outlier {name}", split

    def read(
        self, root: StrPath, *, complete: bool = True, bad_images: Literal["error", "skip"] = "error"
    ) -> Suite:
        """The suite below `root`; no image is opened.

        Raises `UserError` if train or test is missing, or anything is amiss with what is there. A missing
        shift or outlier set is left out, with a note that says where to get it. `complete=False` takes
        copies with fewer images, such as replicas.
        """
        top = root_folder(root)
        classes = tuple(sorted(self.classes))
        notes = list(self.notes)

        def needed(split: Split) -> Listing:
            listed = split.listed(top, complete)
            if listed is None:
                raise UserError(
                    f"the {split.name} set of {self.name}, {split.part.name}, {split.part.missing(top)}"
                )
            return listed

        def optional(kind: str, splits: Mapping[str, Split]) -> Iterator[tuple[str, Split, Listing]]:
            missing: dict[str, list[str]] = {}
            for name, split in splits.items():
                try:
                    listed = split.listed(top, complete)
                except UserError as error:
                    raise UserError(f"{error}, or move it away to go without {kind} {name!r}") from error
                if listed:
                    yield name, split, listed
                else:
                    missing.setdefault(f"{split.part.name} {split.part.missing(top)}", []).append(name)
            for why, names in missing.items():
                out = "is" if len(names) == 1 else f"and {len(names) - 1} more are"
                notes.append(f"{kind} {names[0]!r} {out} left out: {why}")

        learnt = needed(self.train)
        train = labelled("train", self.train, learnt, classes, notes)
        if train.columns:
            absent = next(name for i, name in enumerate(classes) if i not in train.columns)
            raise UserError(f"train of {self.name} below {top} holds no image of {absent!r}; get it anew")
        test = labelled("test", self.test, needed(self.test), classes, notes)
        if learnt.val:
            train, val = published_val(train, learnt.val, len(classes))
        else:
            train, val = split_val(train, classes, notes, self.val_share)
        outliers: dict[str, ImageSet] = {}
        for name, _, listed in optional("outlier set", self.outliers):
            outliers[name] = ImageSet(name, listed.source, listed.paths)
            notes += [f"{name}: {note}" for note in listed.notes]
        return Suite(
            name=self.name,
            classes=classes,
            train=train,
            val=val,
            test=test,
            shifts={
                name: labelled(name, split, listed, classes, notes)
                for name, split, listed in optional("shift", self.shifts)
            },
            outliers=outliers,
            notes=tuple(notes),
            bad_images=bad_images,
            near=self.near & set(outliers),
        )


def labelled(
    set_name: str, split: Split, listed: Listing, classes: tuple[str, ...], notes: list[str]
) -> ImageSet:
    """The images of a split that are of `classes`, matched by name. Raises `UserError` for an unknown one."""
    assert listed.names is not None
    index = {name: number for number, name in enumerate(classes)}
    number: dict[str, int | None] = {}
    for name in dict.fromkeys(listed.names):
        known = split.class_map.get(name, name)
        if known is not None and known not in index:
            raise UserError(
                f"{split.part.name} has an unknown class {name!r} ({nearest(name, classes)}); "
                "is it that data set?"
            )
        number[name] = None if known is None else index[known]
    pairs = [
        (path, label)
        for path, name in zip(listed.paths, listed.names, strict=True)
        if (label := number[name]) is not None
    ]
    labels = np.array([label for _, label in pairs], np.int64)
    columns = columns_of(labels, len(classes))
    if len(pairs) < len(listed.paths):
        gone = sorted(name for name, one in number.items() if one is None)
        named = ", ".join(gone[:3]) + (f" and {len(gone) - 3} more" if len(gone) > 3 else "")
        count = counted(len(listed.paths) - len(pairs), "image")
        notes.append(
            f"{set_name}: {count} of classes that {split.part.name} alone has are left out ({named})"
        )
    if columns:
        title = set_name if set_name in ("train", "test") else f"shift {set_name!r}"
        notes.append(lacking(title, len(columns), len(classes)))
    notes += [f"{set_name}: {note}" for note in listed.notes]
    merged = tuple(tuple(index[name] for name in group) for group in listed.merged)
    return ImageSet(set_name, listed.source, tuple(path for path, _ in pairs), labels, columns, merged=merged)


def published_val(train: ImageSet, listed: frozenset[str], classes: int) -> tuple[ImageSet, ImageSet]:
    """Train without the images that a published list has for val, and these."""
    held = np.array([path in listed for path in train.paths])

    def part(name: str, chosen: npt.NDArray[np.bool_]) -> ImageSet:
        images = train.select(np.flatnonzero(chosen))
        assert images.labels is not None
        return replace(images, name=name, columns=columns_of(images.labels, classes))

    return part("train", ~held), part("val", held)


def counted_images(count: int) -> str:
    """ "1,000 images"."""
    return f"{count:,} image" + ("" if count == 1 else "s")


def root_folder(root: StrPath) -> Path:
    """The folder that the user gave. Raises `UserError` if it is none."""
    top = expanded(root)
    if not top.is_dir():
        raise UserError(f"there is no folder {top}; give the one that holds the data sets, with --root DIR")
    return top
