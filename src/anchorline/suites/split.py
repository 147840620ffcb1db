"""Parts of a set, drawn by class and the same on every machine: val, a few shots, a share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from anchorline.errors import UserError
from anchorline.suites.images.files import same_name
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.labels import columns_of, counted, lacking

VAL_SHARE = 0.2  # of the images of each class


def split_val(
    images: ImageSet, classes: Sequence[str], notes: list[str], share: float = VAL_SHARE
) -> tuple[ImageSet, ImageSet]:
    """Split off a share of each class, at least one image where it has two; one always stays.

    Which ones depends on the paths alone, through a hash: the split is the same on every
    machine, and images added to one class leave the others' split as it was.
    """
    assert images.labels is not None
    chosen: list[int] = []
    for label in range(len(classes)):
        members = np.flatnonzero(images.labels == label)
        ordered = sorted(members, key=lambda i: _draw(images.paths[int(i)]))
        count = max(1, round(len(members) * share)) if len(members) > 1 else 0
        chosen += [int(i) for i in ordered[:count]]
    if not chosen:
        raise UserError(
            "every class of train holds one image, so none can be spared for val; "
            "give more images, or a val set with --val DIR"
        )
    val = images.select(sorted(chosen))
    assert val.labels is not None
    columns = columns_of(val.labels, len(classes))
    notes.append(
        f"val was split off train: {len(val)} of its {counted(len(images), 'image')}, "
        f"{100 * share:g} % of each class"
    )
    if columns:
        notes.append(lacking("val", len(columns), len(classes)))
    rest = images.select(np.delete(np.arange(len(images)), chosen))
    return rest, ImageSet("val", val.source, val.paths, val.labels, columns)


def draw_shots(train: ImageSet, classes: int, k: int, seed: int) -> tuple[ImageSet, str]:
    """`k` images of each of `classes` classes, all where one has fewer; and a note that says so.

    Which ones depends on the paths and the seed alone, and the k images are among the k + 1 of the same seed.
    Raises `UserError` for k below one.
    """
    if k < 1:
        raise UserError(f"{k} images a class of train were asked for; ask for one or more")
    assert train.labels is not None
    drawn: list[int] = []
    fewer = 0
    for label in range(classes):
        members = np.flatnonzero(train.labels == label)
        drawn += sorted((int(i) for i in members), key=lambda i: _draw(train.paths[i], f"{seed} "))[:k]
        fewer += len(members) < k
    note = (
        f"train holds {len(drawn)} of its {counted(len(train), 'image')}: {k} a class, drawn with seed {seed}"
    )
    if fewer:
        note += f"; {fewer} of the {classes} classes have fewer"
    return train.select(sorted(drawn)), note


def stratified_subset(paths: Sequence[str], names: Sequence[str], share: float, salt: str) -> list[int]:
    """Indices of round(share * N) images, at least one of each class, ascending; stratified by `names`.

    Within a class, images are ranked by a hash of `salt` and path; the image of rank r among n has the
    position (r + 1/2) / n, the first of each class 0, and the lowest positions of all are taken. So each
    class gives its share to within one image, and a smaller portion of the same salt lies within a larger.
    """
    members: dict[str, list[tuple[bytes, int]]] = defaultdict(list)
    for index, (path, name) in enumerate(zip(paths, names, strict=True)):
        lot = blake2b(f"{salt} {same_name(path)}".encode(errors="surrogateescape"), digest_size=16).digest()
        members[name].append((lot, index))
    places = [
        ((rank + 0.5) / len(drawn) if rank else 0.0, lot, index)
        for drawn in map(sorted, members.values())
        for rank, (lot, index) in enumerate(drawn)
    ]
    count = max(round(share * len(paths)), len(members))
    return sorted(index for _, _, index in sorted(places)[:count])


def _draw(path: str, salt: str = "") -> bytes:
    """A path's lot: the lowest of a class are taken."""
    return blake2b((salt + same_name(path)).encode(errors="surrogateescape")).digest()
