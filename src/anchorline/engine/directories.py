"""The rule for `--out`: a directory is new, empty, or one of the same kind about the same things."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from anchorline.engine.distributed import main_process_first
from anchorline.engine.jobs import read_json
from anchorline.engine.locks import sweep_locks
from anchorline.engine.storage import sweep, write_text
from anchorline.errors import UserError

MARKER = "anchorline.json"


def claim_directory(
    directory: Path,
    kind: str,
    about: Mapping[str, str],
    *,
    ours: tuple[str, ...],
    before: Callable[[Path], tuple[str, Mapping[str, str]] | None] = lambda _: None,
    overwrite: bool = False,
) -> Path:
    """The directory, made where it is missing, with a marker that says what it holds.

    Args:
        directory: where a command will write.
        kind: what it will hold, such as "comparison".
        about: what decides whether this command goes on with what lies there, by what a user calls it:
            {"suite": "pictograms (hash 1f…)"}.
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
        if read_json(directory / MARKER).get("about") != dict(about):
            write_text(directory / MARKER, json.dumps({"kind": kind, "about": about}, indent=2) + "\n")
    return directory


def _check(
    directory: Path,
    kind: str,
    about: Mapping[str, str],
    ours: tuple[str, ...],
    before: Callable[[Path], tuple[str, Mapping[str, str]] | None],
    overwrite: bool,
) -> None:
    marked = read_json(directory / MARKER)
    found = (marked["kind"], marked["about"]) if marked else before(directory)
    if found is None:
        some = next(path.name for path in sorted(directory.iterdir()) if not path.name.startswith("."))
        raise UserError(
            f"{directory} holds something else ({some}, say); give a new or empty directory with --out"
        )
    there, of = found
    if there != kind:
        raise UserError(f"{directory} holds a {there}, not a {kind}; give another directory with --out")
    others = [f"{of[what]}, not {value}" for what, value in about.items() if of.get(what, value) != value]
    if others and not overwrite:
        raise UserError(
            f"{directory} holds a {kind} of {' and '.join(others)}; give another directory with --out, or "
            "replace it with --overwrite"
        )
    if others:
        for path in [path for pattern in ours for path in directory.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
