"""The rule for `--out`: a directory is new, empty, or one of the same kind about the same things."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from anchorline.engine.distributed import main_process_first
from anchorline.engine.jobs import read_json
from anchorline.engine.locks import sweep_locks
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
        ours: patterns of the names that this kind of command writes there.
        before: kind and facts of a directory without a marker, which earlier versions wrote; None: not ours.
        overwrite: whether another one of the same kind is replaced; nothing but what matches `ours` goes.

    Raises `UserError` where it is a file, holds something else, or cannot be written.
    """
    with main_process_first():
        if directory.exists() and not directory.is_dir():
            raise UserError(f"{directory} is a file; give another directory with --out")
        inside = sorted(directory.iterdir()) if directory.is_dir() else []
        if any(not path.name.startswith(".") for path in inside):
            _check(directory, kind, about, ours, before, overwrite)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            sweep(directory)
            sweep_locks(directory)
        except OSError as error:
            raise UserError(
                f"cannot write into {directory} ({error.strerror}); give another directory with --out"
            ) from error
        if _marked(directory) != (kind, about):
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
        some = next(path.name for path in sorted(directory.iterdir()) if not path.name.startswith("."))
        raise UserError(
            f"{directory} holds something else ({some}, say); give a new or empty directory with --out"
        )
    there, of = found
    if there != kind:
        raise UserError(f"{directory} holds a {there}, not a {kind}; give another directory with --out")
    others = [f"{of[what]}, not {one}" for what, one in about.items() if of.get(what, one).hash != one.hash]
    if others and not overwrite:
        raise UserError(
            f"{directory} holds a {kind} of {' and '.join(others)}; give another directory with --out, or "
            "replace it with --overwrite"
        )
    if others:
        for path in [path for pattern in ours for path in directory.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _marked(directory: Path) -> Held | None:
    """What the marker says that a directory holds."""
    marked = read_json(directory / MARKER)
    if not marked:
        return None
    return marked["kind"], {what: Named(**one) for what, one in marked["about"].items()}
