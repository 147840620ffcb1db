"""Pixels at hand: decoded images in memory, corrupted ones on disk, since several encoders ask for both."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np

from anchorline.engine.parallel import Progress
from anchorline.suites.images.corruptions import corrupt
from anchorline.suites.images.decode import MEMORY_LIMIT, BadImage, Geometry, allocate, decode
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.rgb import Pixels

DISK_LIMIT = 4 * 2**30  # bytes in the directory
FORMAT = "1"  # raise it when the same key would no longer give the same pixels


class PixelStore:
    """Decoded images by geometry and content, in memory as long as the store lives.

    Up to `memory_limit` bytes in all; beyond it they lie in temporary files (see `decode`). Corrupted images
    are made from these, and kept in `directory` as far as there is room; see `CorruptedPixels`.
    """

    def __init__(self, directory: Path, memory_limit: int = MEMORY_LIMIT) -> None:
        self.memory_limit = memory_limit
        self._decoded: dict[tuple[str, str], tuple[Pixels, tuple[BadImage, ...]]] = {}
        self._corrupted = CorruptedPixels(directory, memory_limit)

    def __call__(
        self, geometry: Geometry, images: ImageSet, progress: Progress | None = None
    ) -> tuple[Pixels, tuple[BadImage, ...]]:
        """uint8 [N, H, W, 3] of the readable images, and those that are not; see `decode`, `corrupt`."""
        if images.corruption:
            pixels, bad = self(geometry, images.clean)
            which = f"{geometry} {images.content_hash()}"
            return self._corrupted.of(pixels, *images.corruption, which, progress), bad
        key = (str(geometry), images.content_hash())
        if key not in self._decoded:
            arrays = (pixels for pixels, _ in self._decoded.values())
            used = sum(pixels.nbytes for pixels in arrays if not isinstance(pixels, np.memmap))
            room = max(0, self.memory_limit - used)
            self._decoded[key] = decode(images, geometry, memory_limit=room, progress=progress)
        return self._decoded[key]

    def rename(self, geometry: Geometry, whole: ImageSet, readable: ImageSet) -> None:
        """The pixels of a set are from now on those of its readable part, which has as many."""
        decoded = self._decoded.pop((str(geometry), whole.content_hash()), None)
        if decoded:
            self._decoded[str(geometry), readable.content_hash()] = (decoded[0], ())


class CorruptedPixels:
    """One file a corrupted set, mapped and not read into memory; the last set is at hand.

    Where a new file would not fit, the files go that this object has not given out, the longest unused first.
    If that is not enough, the pixels are made anew each time: the first sets of a round stay, so that a
    second round finds them.

    `disk_limit`, `memory_limit`: bytes, of the directory and of pixels without a file.
    """

    def __init__(
        self, directory: Path, memory_limit: int = MEMORY_LIMIT, disk_limit: int = DISK_LIMIT
    ) -> None:
        self.directory, self.memory_limit, self.disk_limit = directory, memory_limit, disk_limit
        self._given: set[Path] = set()
        self._last: tuple[Path, Pixels] | None = None

    def of(
        self, pixels: Pixels, name: str, severity: int, key: str, progress: Progress | None = None
    ) -> Pixels:
        """`corrupt(pixels, name, severity)`; `key` says which pixels these are. Raises what it raises."""
        digest = sha256(f"{FORMAT} {key} {name}/{severity}".encode()).hexdigest()[:32]
        file = self.directory / f"{digest}.npy"
        if self._last is None or self._last[0] != file:
            self._last = None  # go, before there is another
            self._last = file, self._found(file, pixels, name, severity, progress)
        return self._last[1]

    def _found(
        self, file: Path, pixels: Pixels, name: str, severity: int, progress: Progress | None
    ) -> Pixels:
        kept = _read(file, pixels.shape)
        if kept is None:
            out = allocate(pixels.shape, self.memory_limit)
            made = corrupt(pixels, name, severity, out=out, progress=progress)
            if not (self._make_room(made.nbytes) and _write(file, made)):
                return made
            kept = _read(file, pixels.shape)  # the mapped file, so that the pixels need no memory
            if kept is None:
                return made
        self._given.add(file)
        with suppress(OSError):
            file.touch()
        return kept

    def _make_room(self, needed: int) -> bool:
        """Remove files until there is room for `needed` bytes; none, where that would not do."""
        try:
            files = [(file.stat(), file) for file in self.directory.glob("*.npy")]
            ours = sum(facts.st_size for facts, file in files if file in self._given)
            if ours + needed > self.disk_limit:
                return False
            excess = sum(facts.st_size for facts, _ in files) + needed - self.disk_limit
            for facts, file in sorted(files, key=lambda pair: pair[0].st_mtime_ns):
                if excess > 0 and file not in self._given:
                    file.unlink()
                    excess -= facts.st_size
        except OSError:
            return False
        return True


def _read(file: Path, shape: tuple[int, ...]) -> Pixels | None:
    """None if there is no such file, or a damaged one."""
    try:
        pixels = np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return pixels if pixels.shape == shape and pixels.dtype == np.uint8 else None


def _write(file: Path, pixels: Pixels) -> bool:
    """Whole or not at all. A full disk is no error: the pixels can be made again."""
    unfinished = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as stream:
            unfinished = Path(stream.name)
            np.save(stream, pixels)
        unfinished.replace(file)
    except OSError:
        return False
    finally:
        if unfinished:
            unfinished.unlink(missing_ok=True)
    return True
