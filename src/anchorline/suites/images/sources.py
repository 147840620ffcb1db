"""What holds encoded images: a folder, a zip archive, an array, or several of these."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from zipfile import ZipFile

import numpy as np
import numpy.typing as npt


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
