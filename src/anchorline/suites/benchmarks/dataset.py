"""One data set as it lies on disk: how to find it, read it, and where to get it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anchorline.errors import UserError
from anchorline.suites.images.sources import Source

_BLOCK = 2**20  # bytes hashed at a time


@dataclass(frozen=True)
class Listing:
    """What lies on disk; no image is decoded.

    Attributes:
        source: what `paths` are relative to.
        paths: [N] POSIX paths.
        names: [N] the class of each image in the words of the data set; None for a set without classes.
        merged: classes that are one in this set, by name; see `ImageSet.merged`.
        val: those of `paths` that a published list has for val; empty where there is none.
        notes: what the user must know of this copy: which list or rule split it, say.
    """

    source: Source
    paths: tuple[str, ...]
    names: tuple[str, ...] | None = None
    merged: tuple[tuple[str, ...], ...] = ()
    val: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """One data set.

    Attributes:
        name: "cifar10.1-v6".
        about: one line.
        source: where to get it, one or more URLs.
        licence: as its authors state it; "not stated" where they do not.
        layout: what is expected below the root, as a user sees it.
        images: how many images a whole copy has, by split: {"train": 50_000, "test": 10_000}; several numbers
            where versions of it differ, None where no number could be verified.
        find: root -> the folder that holds it, the root itself or a folder of the usual name below it; None
            if it is not there. A half-extracted copy is found, so that `read` can say what it lacks.
        read: (found folder, split) -> what is listed there. Raises `UserError` where something is amiss; it
            need not compare the number of images with `images`.
        archives: what the download is called, to tell those who have not extracted it.
        md5: public checksums of files, relative to the found folder; "suites NAME --root DIR" compares them.
        download: root -> gets it, where its licence and a library let us.
    """

    name: str
    about: str
    source: str
    licence: str
    layout: str
    images: Mapping[str, int | tuple[int, ...] | None]
    find: Callable[[Path], Path | None]
    read: Callable[[Path, str], Listing]
    archives: tuple[str, ...] = ()
    md5: Mapping[str, str] = field(default_factory=dict)
    download: Callable[[Path], None] | None = None

    def is_whole(self, split: str, held: int) -> bool:
        """Whether a whole copy can have so many images."""
        whole = self.images[split]
        return held > 0 if whole is None else held in (whole if isinstance(whole, tuple) else (whole,))

    def size(self, split: str) -> str:
        """ "52,041 or 52,764 images", of a whole copy; empty if it is not known."""
        whole = self.images[split]
        if whole is None:
            return ""
        counts = whole if isinstance(whole, tuple) else (whole,)
        return " or ".join(f"{count:,}" for count in counts) + (" image" if counts == (1,) else " images")

    def missing(self, root: Path) -> str:
        """Why `find` gave None, and what to do: the end of a sentence."""
        packed = next((root / name for name in self.archives if (root / name).is_file()), None)
        if packed:
            return f"is not extracted: unpack {packed} in {root}"
        return f"is not below {root}: get it from {self.source}; expected: {self.layout}"

    def damaged(self, found: Path) -> str | None:
        """The first file whose public checksum differs; None if all that are there agree."""
        files = ((name, found / name, md5) for name, md5 in self.md5.items())
        return next((name for name, file, md5 in files if file.exists() and md5_of(file) != md5), None)


def folder_with(signs: Sequence[str], below: Sequence[str] = ()) -> Callable[[Path], Path | None]:
    """A `Part.find`: the root, or the first folder of `below` in it, that holds one of the `signs`.

    `signs`: names of files or folders. `below`: POSIX paths. The folders come before the root, so that two
    data sets of one layout can lie side by side.
    """

    def find(root: Path) -> Path | None:
        for folder in (*(root / name for name in below), root):
            if any((folder / sign).exists() for sign in signs):
                return folder
        return None

    return find


def folder_named(*names: str) -> Callable[[Path], Path | None]:
    """A `Part.find` for a folder that only its name tells: the first of `names`, POSIX paths."""

    def find(root: Path) -> Path | None:
        return next((root / name for name in names if (root / name).is_dir()), None)

    return find


def require(part: str, folder: Path, files: Sequence[str]) -> None:
    """Raises `UserError` if one of the `files`, relative to the folder, is not there."""
    lacking = [name for name in files if not (folder / name).exists()]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise UserError(f"{part} in {folder} lacks {lacking[0]}{more}; extract the whole archive again")


def text_of(part: str, file: Path) -> str:
    """A list that comes with a data set. Raises `UserError` if it cannot be read or is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"{part}: cannot read the list {file} ({reason}); get it anew") from error


def md5_of(file: Path) -> str:
    """Hex MD5 of a file: what data sets publish, no safeguard against malice."""
    digest = hashlib.md5(usedforsecurity=False)
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
