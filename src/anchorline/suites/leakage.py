"""Images that occur twice in a suite: the same file, the same pixels for the encoder, or nearly the same.

What stands in train or val and in a test, shift or outlier set flatters every method that learns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations, groupby
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dctn

from anchorline.engine.parallel import thread_map
from anchorline.suites.images.image_set import UNREADABLE, ImageSet
from anchorline.suites.images.rgb import Pixels
from anchorline.suites.labels import counted
from anchorline.suites.suite import Suite

Fingerprints = npt.NDArray[np.uint8]

_DIGEST, _SIDE = 16, 16  # bytes; the perceptual hash has _SIDE * _SIDE bits
# Of 256 bits. Of the 804,000 pairs of the bundled suite's train and test, whose artists differ, one is as
# near, and it is one drawing. Nine in ten photos are as near to themselves after JPEG at quality 50, or
# scaled by 0.7. With 64 bits, as is usual, different drawings of one thing are taken for one.
_NEAR = 8
_ROWS = 4096  # hashes compared at a time
_NAMED = 3  # pairs that a note names
_LEARNED = ("train", "val")


@dataclass(frozen=True)
class Member:
    """One image of a suite: its set, its path in the set, its class number if it has one."""

    set: str
    path: str
    label: int | None


@dataclass(frozen=True)
class Duplicate:
    """Two images that are one: by their file, by their decoded pixels, or nearly so."""

    first: Member
    second: Member
    how: Literal["file", "pixels", "near"]

    @property
    def leaks(self) -> bool:
        """Whether it lets a method see what it is measured on."""
        return self.first.set in _LEARNED and self.second.set not in _LEARNED

    @property
    def conflicts(self) -> bool:
        """Whether a method learns, or chooses, by two different answers to it."""
        return self.second.set in _LEARNED and self.first.label != self.second.label


def fingerprints(pixels: Pixels) -> Fingerprints:
    """uint8 [N, 48] of decoded images, uint8 [N, H, W, 3]: a digest, then a perceptual hash.

    The hash is the sign of the 16 x 16 lowest frequencies of the grey image about their median (pHash:
    Zauner 2010, with 256 bits).
    """

    def work(index: int) -> Fingerprints:
        image = np.ascontiguousarray(pixels[index])
        digest = np.frombuffer(blake2b(image.tobytes(), digest_size=_DIGEST).digest(), np.uint8)
        grey = Image.fromarray(image).convert("L").resize((4 * _SIDE,) * 2, Image.Resampling.LANCZOS)
        low = dctn(np.asarray(grey, np.float32))[:_SIDE, :_SIDE]
        return np.concatenate([digest, np.packbits(low > np.median(low))])

    found = thread_map(work, len(pixels), None)
    return np.stack(found) if found else np.zeros((0, _DIGEST + _SIDE * _SIDE // 8), np.uint8)


def duplicates(suite: Suite, look: Callable[[ImageSet], Fingerprints] | None = None) -> list[Duplicate]:
    """Images that occur in two sets, and images of train and val that occur with two labels.

    `look(image set)` gives the `fingerprints` of its images, row for row: `FeatureStore.fingerprints`, of a
    suite without unreadable images. Without it, files alone are compared. An image is named once for each
    other set, with the first of its twins there. Near duplicates are looked for between train or val and
    every other set only: that a shifted image looks like one of test is no leak. Leaks come first, then
    conflicting labels, then val in train, then the rest.
    """
    sets = {name: images for name, images in suite.sets().items() if len(images)}
    keys = {name: list(images.digests()) for name, images in sets.items()}
    found = list(_equal(sets, keys, "file"))
    if look:
        looks = {name: look(images) for name, images in sets.items()}
        keys = {name: [row[:_DIGEST].tobytes() for row in rows] for name, rows in looks.items()}
        found += _equal(sets, keys, "pixels")
        for first, second in combinations(sets, 2):
            if first in _LEARNED:
                near = _near(looks[first][:, _DIGEST:], looks[second][:, _DIGEST:])
                found += [
                    Duplicate(_member(sets, first, i), _member(sets, second, j), "near") for i, j in near
                ]
    order = list(sets)
    # The surest way to be one goes first, and hides the others.
    surest = {(one.second, one.first.set): one for one in reversed(found)}
    return sorted(
        surest.values(),
        key=lambda one: (
            _rank(one),
            order.index(one.first.set),
            order.index(one.second.set),
            one.second.path,
        ),
    )


def notes_on(found: Sequence[Duplicate]) -> list[str]:
    """A line for each two sets that share images, in the order of `duplicates`; it names a few pairs."""
    lines = []
    for (_, first, second, near), group in groupby(
        sorted(found, key=_rank), lambda one: (_rank(one), one.first.set, one.second.set, one.how == "near")
    ):
        pairs = list(group)
        named = [f"{one.second.path} = {one.first.path}" for one in pairs[:_NAMED]]
        more = [f"{len(pairs) - _NAMED} more"] if len(pairs) > _NAMED else []
        are = "is" if len(pairs) == 1 else "are"
        if pairs[0].conflicts:
            what = f"{are} in {first} under another class"
        else:
            what = f"{are} nearly the same in {first}" if near else f"{are} also in {first}"
        lines.append(f"{counted(len(pairs), 'image')} of {second} {what}: {', '.join([*named, *more])}")
    return lines


def _rank(one: Duplicate) -> int:
    if one.leaks:
        return 0
    if one.conflicts:
        return 1
    return 2 if one.second.set in _LEARNED else 3


def _member(sets: dict[str, ImageSet], name: str, index: int) -> Member:
    images = sets[name]
    label = None if images.labels is None else int(images.labels[index])
    return Member(name, images.paths[index], label)


def _equal(
    sets: dict[str, ImageSet], keys: dict[str, list[bytes]], how: Literal["file", "pixels"]
) -> Iterator[Duplicate]:
    """For each image, the first with the same key in each set before its own, and, among train and val, the
    first with another label."""
    firsts: dict[bytes, dict[tuple[str, int | None], Member]] = {}
    for name in sets:
        for index, key in enumerate(keys[name]):
            if key == UNREADABLE:
                continue
            one = _member(sets, name, index)
            seen = firsts.setdefault(key, {})
            told: set[str] = set()
            learned = name in _LEARNED
            # Here a twin with another label says more than one with the same.
            for other in sorted(seen.values(), key=lambda m: learned and m.label == one.label):
                conflict = learned and other.label != one.label
                if (other.set != name or conflict) and other.set not in told:
                    told.add(other.set)
                    yield Duplicate(other, one, how)
            seen.setdefault((name, one.label), one)


def _near(ours: Fingerprints, theirs: Fingerprints) -> Iterator[tuple[int, int]]:
    """(row of ours, row of theirs) of the nearest of ours, where it is near enough."""
    signs = [2 * np.unpackbits(rows, axis=1).astype(np.float32) - 1 for rows in (ours, theirs)]
    enough = _SIDE * _SIDE - 2 * _NEAR  # the inner product of hashes that differ in _NEAR bits
    for start in range(0, len(theirs), _ROWS):
        block = signs[1][start : start + _ROWS]
        best, nearest = np.full(len(block), -np.inf, np.float32), np.zeros(len(block), np.int64)
        for begin in range(0, len(ours), _ROWS):
            alike = signs[0][begin : begin + _ROWS] @ block.T
            rows = alike.argmax(0)
            highest = alike[rows, np.arange(len(block))]
            nearest = np.where(highest > best, begin + rows, nearest)
            best = np.maximum(best, highest)
        for column in np.flatnonzero(best >= enough):
            yield int(nearest[column]), start + int(column)
