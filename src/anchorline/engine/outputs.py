"""The rule for files that a user names with --out: what we did not write is never written over."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from anchorline.engine.directories import MARKER
from anchorline.engine.storage import replacing
from anchorline.errors import UserError

_BEGINNING = 4096  # bytes of a file in which its mark stands
_LEDGER = ".anchorline-written.jsonl"
_TAKEN = ("report.html", "results.csv", "ablation.html", "map.html")  # names that comparisons write
_NAMED = 3  # files that a sentence names


def check_replaceable(file: Path, mark: str, kind: str) -> None:
    """Call it before any work: a file may be new, empty, or one of ours, with the mark near its beginning.

    Raises `UserError` for any other.
    """
    if (file.exists() or file.is_symlink()) and (file.is_symlink() or not file.is_file()):
        raise UserError(f"{file} is a folder, a link or a device; give another file with --out")
    if file.name in _TAKEN and (file.parent / MARKER).is_file():
        raise UserError(f"{file} belongs to the comparison in {file.parent}; give another file with --out")
    if file.parent.exists() and not file.parent.is_dir():
        raise UserError(f"{file.parent} is a file; give another file with --out")
    try:
        if not file.is_file():
            return
        with file.open("rb") as stream:
            beginning = stream.read(_BEGINNING)
    except OSError as error:
        raise UserError(f"cannot read {file} ({error.strerror}); give another file with --out") from error
    if beginning and mark.encode() not in beginning:
        raise UserError(
            f"{file} exists and is not {kind} that anchorline wrote; move it away, or give another file with "
            "--out"
        )


class OwnFolder:
    """A folder in which only files that were written through this class are ever written over.

    A hidden file in it, a line for each file written, keeps their SHA-256: a mask that somebody has corrected
    since is no longer ours. Hidden files are left alone and do not count.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `UserError` if the folder holds anything else, or cannot be read."""
        self.folder = folder
        try:
            self._written = self._read()
            foreign = sorted(name for name in self._names() if (name, self._hash(name)) not in self._written)
        except OSError as error:
            raise UserError(
                f"cannot read {folder} ({error.strerror}); give another directory with --out"
            ) from error
        if foreign:
            more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
            raise UserError(
                f"{folder} holds {', '.join(foreign[:_NAMED])}{more}, which this command did not write or "
                "which has changed since; give a new or empty directory with --out"
            )

    def write(self, name: str, data: bytes) -> Path:
        """Write a file, "masks/cat.png", whole or not at all. Raises `UserError` where that is impossible."""
        file, entry = self.folder / name, (name, hashlib.sha256(data).hexdigest())
        with replacing(file, "make room or give another directory with --out") as unfinished:
            unfinished.write_bytes(data)
            if entry not in self._written:  # listed before it is there: we may be killed in between
                with (self.folder / _LEDGER).open("a", encoding="utf-8") as ledger:
                    ledger.write("\n" + json.dumps(entry))  # never onto the end of a torn line
                self._written.add(entry)
        return file

    def _read(self) -> set[tuple[str, str]]:
        ledger = self.folder / _LEDGER
        found = set()
        for line in ledger.read_text("utf-8").splitlines() if ledger.is_file() else ():
            try:
                name, digest = json.loads(line)
            except ValueError:  # torn, where a process was killed, or the first, which is empty
                continue
            found.add((name, digest))
        return found

    def _names(self) -> list[str]:
        """All that lies in the folder, hidden files and real folders apart, as POSIX paths below it."""
        if not self.folder.exists():
            return []
        if not self.folder.is_dir():
            raise UserError(f"{self.folder} is no directory; give another with --out")
        found = self.folder.rglob("*")
        names = [path.relative_to(self.folder) for path in found if path.is_symlink() or not path.is_dir()]
        return [name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts)]

    def _hash(self, name: str) -> str:
        path = self.folder / name
        if path.is_symlink() or not path.is_file():
            return ""
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
