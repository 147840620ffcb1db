"""The rule for `--out`: a directory is new, empty, or one of the same kind about the same things."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.jobs import read_json
from anchorline.engine.locks import Lock, refuse_busy, sweep_locks
from anchorline.engine.storage import sweep, write_text
from anchorline.errors import UserError

MARKER = "anchorline.json"


class Named(NamedTuple):
    """Something that a directory is about: what a user calls it, and the hash that tells it from others."""

    name: str
    hash: str

    def __str__(self) -> str:
        return f"{self.name} (hash {self.hash})"


About = Mapping[str, Named]  # by what it is: "suite", "encoder"
Held = tuple[str, About]  # what a directory holds: kind, and what it is about


def claim_directory(
    directory: Path,
    kind: str,
    about: About,
    *,
    ours: tuple[str, ...],
    before: Callable[[Path], Held | None] = lambda _: None,
    overwrite: bool = False,
) -> Path:
    """The directory, made where it is missing, with a marker that says what it holds.

    Args:
        directory: where a command will write.
        kind: what it will hold, such as "comparison".
        about: what decides whether this command goes on with what lies there.
        ours: patterns of the files that this kind of command writes there.
        before: kind and facts of a directory without a marker, which earlier versions wrote; None: not ours.
        overwrite: whether another one of the same kind is replaced; nothing but what matches `ours` goes.

    Raises `UserError` where it is a file, holds something else, or cannot be written.
    """
    with main_process_first():
        if directory.is_symlink() and not directory.exists():
            raise UserError(f"{directory} is a link to nothing; give another directory with --out")
        if directory.exists() and not directory.is_dir():
            raise UserError(f"{directory} is a file; give another directory with --out")
        # Of two commands that look at once, the second finds the mark of the first.
        with Lock(directory / MARKER).held(is_main_process()):
            if _visible(directory):
                _check(directory, kind, about, ours, before, overwrite)
            sweep(directory)
            sweep_locks(directory)
            if is_main_process() and _marked(directory) != (kind, about):
                plain = {what: one._asdict() for what, one in about.items()}
                write_text(directory / MARKER, json.dumps({"kind": kind, "about": plain}, indent=2) + "\n")
    return directory


def _check(
    directory: Path,
    kind: str,
    about: About,
    ours: tuple[str, ...],
    before: Callable[[Path], Held | None],
    overwrite: bool,
) -> None:
    found = _marked(directory) or before(directory)
    if found is None:
        some = _visible(directory)[0]
        raise UserError(
            f"{directory} holds something else ({some}, say); give a new or empty directory with --out"
        )
    there, of = found
    if there != kind:
        raise UserError(f"{directory} holds {_a(there)}, not {_a(kind)}; give another directory with --out")
    others = [f"{of[what]}, not {one}" for what, one in about.items() if of.get(what, one).hash != one.hash]
    if others and not overwrite:
        raise UserError(
            f"{directory} holds {_a(kind)} of {' and '.join(others)}; give another directory with --out, or "
            "replace it with --overwrite"
        )
    if others:
        refuse_busy(directory)
        _take_away(directory, ours)


def _visible(directory: Path) -> list[str]:
    """Names of what lies in a directory, but for hidden files. Raises `UserError`."""
    try:
        return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(
            f"cannot look into {directory} ({error.strerror}); give another directory with --out"
        ) from error


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeio' else 'a'} {kind}"


def _take_away(directory: Path, ours: tuple[str, ...]) -> None:
    """The files that match, and then the folders that hold nothing any more; what else is there stays."""
    files = [path for pattern in ours for path in directory.glob(pattern) if path.is_file()]
    for path in files:
        path.unlink()
    for folder in sorted({parent for path in files for parent in path.parents}, reverse=True):
        if directory in folder.parents:
            with suppress(OSError):  # it holds something, or is a link to another place
                folder.rmdir()


def _marked(directory: Path) -> Held | None:
    """What the marker says that a directory holds; None where there is none of ours."""
    marked = read_json(directory / MARKER)
    try:
        return marked["kind"], {what: Named(**one) for what, one in marked["about"].items()}
    except (KeyError, TypeError, AttributeError):
        return None
