"""A set of images by name: where they lie, their labels, and a hash of what is in them.

Nothing here opens an image; `decode` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from anchorline.engine.parallel import Progress, thread_map
from anchorline.suites.images.corruptions import check
from anchorline.suites.images.files import same_name
from anchorline.suites.images.sources import Joined, Source

UNREADABLE = b"unreadable"  # stands for the digest of such a file


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Some images, in a fixed order.

    Attributes:
        name: "train", "val", "test", or the name of a shift or outlier set.
        source: what `paths` are relative to.
        paths: [N] POSIX paths.
        labels: int64 [N], index into `Suite.classes`; None for an outlier set.
        columns: the classes that this set holds, where it lacks some; None: all compete.
        merged: groups of classes that are one in this set: the highest score of a group is that of its first
            class, by which the images are labelled. ObjectNet's chair is ImageNet's barber chair, folding
            chair and rocking chair.
        corruption: name and severity of what `FeatureStore` does to the decoded pixels; see `corrupted`.
    """

    name: str
    source: Source
    paths: tuple[str, ...]
    labels: npt.NDArray[np.int64] | None = None
    columns: tuple[int, ...] | None = None
    corruption: tuple[str, int] | None = None
    merged: tuple[tuple[int, ...], ...] = ()
    _hash: str = field(default="", init=False, repr=False)  # without the corruption
    _digests: tuple[bytes, ...] = field(default=(), init=False, repr=False)

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> ImageSet:
        """The images at `indices`, in that order; `columns` stay as they are."""
        index = np.asarray(indices, dtype=np.int64)
        labels = None if self.labels is None else self.labels[index]
        return replace(self, paths=tuple(self.paths[i] for i in index), labels=labels)

    def corrupted(self, name: str, severity: int) -> ImageSet:
        """This set as it looks under one corruption, "fog" at 3, say; it is named "fog/3".

        The files stay as they are: `FeatureStore` corrupts the decoded pixels (see `corruptions`), and the
        content hash is another. Reads the files where nobody has done so yet, so that fifteen corruptions
        at five severities read them once. Raises `UserError` for an unknown name or severity.
        """
        check(name, severity)
        self.content_hash()
        return self._alike(name=f"{name}/{severity}", corruption=(name, severity))

    @property
    def clean(self) -> ImageSet:
        """This set without its corruption."""
        return self._alike(corruption=None)

    def _alike(self, **changes: Any) -> ImageSet:
        """A set of the same files, which need not be read again."""
        other = replace(self, **changes)
        object.__setattr__(other, "_hash", self._hash)
        object.__setattr__(other, "_digests", self._digests)
        return other

    def where(self, index: int) -> str:
        """The full path of one image, for messages."""
        return self.source.where(self.paths[index])

    def content_hash(self, progress: Progress | None = None) -> str:
        """Hex blake2b over (path, bytes) of each image in order; computed once, then kept.

        Paths enter as POSIX and NFC, so the hash is the same on every machine. A corruption
        enters, labels do not.
        """
        if not self._hash:
            whole = blake2b(digest_size=16)
            for path, digest in zip(self.paths, self.digests(progress), strict=True):
                whole.update(same_name(path).encode(errors="surrogateescape") + b"\0" + digest)
            object.__setattr__(self, "_hash", whole.hexdigest())
        if self.corruption is None:
            return self._hash
        name, severity = self.corruption
        return blake2b(f"{self._hash} {name}/{severity}".encode(), digest_size=16).hexdigest()

    def digests(self, progress: Progress | None = None) -> tuple[bytes, ...]:
        """blake2b of each file [N], b"unreadable" where one cannot be read; computed once, then kept.

        Files are read in parallel, one per thread in memory at a time.
        """
        if len(self._digests) != len(self):
            object.__setattr__(self, "_digests", tuple(thread_map(self._digest, len(self), progress)))
        return self._digests

    def _digest(self, index: int) -> bytes:
        try:
            return blake2b(self.source.read(self.paths[index])).digest()
        except OSError:
            return UNREADABLE  # `decode` reports it with its path


def joined(name: str, sets: Sequence[ImageSet]) -> ImageSet:
    """Several labelled sets as one, in their order; all classes compete.

    For a choice by test and shifts together; a corrupted set cannot be joined. Reads the files
    that nobody has read yet.
    """
    assert all(images.corruption is None for images in sets)
    source = Joined(tuple(images.source for images in sets))
    paths = tuple(f"{number}/{path}" for number, images in enumerate(sets) for path in images.paths)
    labels = np.concatenate([images.labels for images in sets if images.labels is not None])
    whole = ImageSet(name, source, paths, labels)
    object.__setattr__(whole, "_digests", tuple(chain.from_iterable(images.digests() for images in sets)))
    return whole
