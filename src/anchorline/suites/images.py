"""A set of images by name: where they lie, their labels, and a hash of what is in them.

Nothing here opens an image; `decode` does.
"""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar
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
class ImageSet:
    """Some images, in a fixed order.

    Attributes:
        name: "train", "val", "test", or the name of a shift or outlier set.
        source: what `paths` are relative to.
        paths: [N] POSIX paths.
        labels: int64 [N], index into `Suite.classes`; None for an outlier set.
        columns: the classes that this set holds, where it lacks some; None: all compete.
    """

    name: str
    source: Folder | Archive
    paths: tuple[str, ...]
    labels: npt.NDArray[np.int64] | None = None
    columns: tuple[int, ...] | None = None
    _hash: str = field(default="", init=False, repr=False)

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> ImageSet:
        """The images at `indices`, in that order; `columns` stay as they are."""
        index = np.asarray(indices, dtype=np.int64)
        labels = None if self.labels is None else self.labels[index]
        return replace(self, paths=tuple(self.paths[i] for i in index), labels=labels)

    def where(self, index: int) -> str:
        """The full path of one image, for messages."""
        return self.source.where(self.paths[index])

    def content_hash(self, progress: Progress | None = None) -> str:
        """Hex blake2b over (path, bytes) of each image in order; computed once, then kept.

        Paths enter as POSIX and NFC, so the hash is the same on every machine. Labels do not
        enter. Files are read in parallel, one per thread in memory at a time. Raises
        `UserError` for a file that cannot be read.
        """
        if not self._hash:
            whole = blake2b(digest_size=16)
            digests = in_parallel(self._digest, len(self), progress)
            for path, digest in zip(self.paths, digests, strict=True):
                whole.update(same_name(path).encode(errors="surrogateescape") + b"\0" + digest)
            object.__setattr__(self, "_hash", whole.hexdigest())
        return self._hash

    def _digest(self, index: int) -> bytes:
        try:
            return blake2b(self.source.read(self.paths[index])).digest()
        except OSError:
            return b"unreadable"  # `decode` reports it with its path


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
