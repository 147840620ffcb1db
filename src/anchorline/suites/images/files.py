"""Which files are images, and by what name: nothing here opens one."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from anchorline.errors import UserError

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
