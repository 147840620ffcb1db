"""A set of images by name: where they lie, their labels, and a hash of what is in them.

Nothing here opens an image; `decode` does.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeVar
from zipfile import ZipFile

import numpy as np
import numpy.typing as npt

from anchorline.errors import UserError

T = TypeVar("T")
Progress = Callable[[int, int], None]  # called with (done, total)

# HEIC is here although Pillow opens it only with a plug-in: to report a photo as unreadable is
# better than to pass over it in silence.
# fmt: off
EXTENSIONS = frozenset({
    ".apng", ".avif", ".avifs", ".bmp", ".dib", ".gif", ".heic", ".heif", ".ico", ".j2c",
    ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".mpo", ".pbm", ".pcx",
    ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".sgi", ".tga", ".tif", ".tiff", ".webp",
})
# fmt: on
_MACHINE_MADE = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"}
UNREADABLE = b"unreadable"  # stands for the digest of such a file
_BLOCK = 256  # jobs handed to the threads at a time, so that Ctrl-C need not wait for a whole set


def same_name(name: str) -> str:
    """The form in which names of files and folders are compared: Unicode NFC."""
    return unicodedata.normalize("NFC", name)


def visible(name: str) -> bool:
    """Whether a file or folder of this name counts: hidden and machine-made ones do not."""
    return not name.startswith(".") and name not in _MACHINE_MADE


def is_image(name: str) -> bool:
    """Whether a file of this name is taken for an image, by its extension."""
    return visible(name) and os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122


def find_images(root: Path) -> list[str]:
    """Paths of all images at any depth below `root`, POSIX, relative to it, sorted.

    Symbolic links are followed; each real directory is entered once, and never one that `root`
    lies in, so that a loop of links ends. Raises `UserError` where a directory cannot be listed.
    """

    def unreadable(error: OSError) -> None:
        raise UserError(
            f"cannot list the folder {error.filename} ({error.strerror}); check its permissions"
        ) from error

    start = root.resolve()
    entered = {start, *start.parents}
    found: list[str] = []
    for here, folders, files in os.walk(root, followlinks=True, onerror=unreadable):
        at = Path(here)
        kept = []
        for name in sorted(filter(visible, folders)):
            real = Path(os.path.realpath(at / name))
            if real not in entered:
                entered.add(real)
                kept.append(name)
        folders[:] = kept
        found += [(at / name).relative_to(root).as_posix() for name in files if is_image(name)]
    return sorted(found, key=same_name)


class Source(Protocol):
    """What holds encoded images by path; `read` is called from many threads."""

    def read(self, path: str) -> bytes:
        """The bytes of an image file. Raises `OSError` where it cannot be read."""

    def where(self, path: str) -> str:
        """Where that image is, for messages."""


@dataclass(frozen=True)
class Folder:
    """Images are the files below `root`."""

    root: Path

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def where(self, path: str) -> str:
        return str(self.root / path)


@lru_cache(maxsize=4)
def _opened(file: Path, modified: int, process: int) -> tuple[ZipFile, threading.Lock]:
    # One listing per archive and process: a forked child must not share the parent's file position.
    return ZipFile(file), threading.Lock()


@dataclass(frozen=True)
class Archive:
    """Images are members of a zip archive; `read` may be called from many threads."""

    file: Path

    def read(self, path: str) -> bytes:
        archive, lock = _opened(self.file, self.file.stat().st_mtime_ns, os.getpid())
        with lock:
            return archive.read(path)

    def where(self, path: str) -> str:
        return f"{self.file}!{path}"


@dataclass(frozen=True, eq=False)
class Arrays:
    """Images are rows of an array, uint8 [N, H, W, 3]; the path of row 7 is "7.ppm".

    `origin` says where the array was read from. PPM, not PNG: the bytes, and with them the content hash, do
    not hang on the version of a compressor.
    """

    pixels: npt.NDArray[np.uint8]
    origin: str

    def paths(self, rows: Iterable[int] | None = None) -> tuple[str, ...]:
        """The paths of these rows, or of all."""
        return tuple(f"{row}.ppm" for row in (range(len(self.pixels)) if rows is None else rows))

    def read(self, path: str) -> bytes:
        image = np.ascontiguousarray(self.pixels[int(path.removesuffix(".ppm"))])
        return b"P6 %d %d 255\n" % (image.shape[1], image.shape[0]) + image.tobytes()

    def where(self, path: str) -> str:
        return f"image {path.removesuffix('.ppm')} of {self.origin}"


@dataclass(frozen=True)
class Joined:
    """The images of several sources: a path begins with the number of its source, "0/", "1/" …"""

    sources: tuple[Source, ...]

    def read(self, path: str) -> bytes:
        source, inner = self._of(path)
        return source.read(inner)

    def where(self, path: str) -> str:
        source, inner = self._of(path)
        return source.where(inner)

    def _of(self, path: str) -> tuple[Source, str]:
        number, inner = path.split("/", 1)
        return self.sources[int(number)], inner


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
        from anchorline.suites.corruptions import check  # it builds image sets

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
            object.__setattr__(self, "_digests", tuple(in_parallel(self._digest, len(self), progress)))
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


def in_parallel(work: Callable[[int], T], total: int, progress: Progress | None) -> list[T]:
    """`work(0) … work(total - 1)` in threads, results in order; `progress` in this thread."""
    results: list[T] = []
    with ThreadPoolExecutor() as pool:
        for start in range(0, total, _BLOCK):
            for result in pool.map(work, range(start, min(start + _BLOCK, total))):
                results.append(result)
                if progress:
                    progress(len(results), total)
    return results
