"""What the commands share: rows with their settings, the screen, the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console

from anchorline.encoders.features import FeatureStore
from anchorline.engine import terminal as screen
from anchorline.engine.distributed import is_main_process
from anchorline.engine.progress import Narrator, Silent, terminal
from anchorline.errors import UserError
from anchorline.methods.settings import override, override_each, validate
from anchorline.methods.table import METHODS, Method, find_method


def settings_of(given: Sequence[str], constraint: str = "") -> dict[str, str]:
    """["training.epochs=5"], "ftp" -> {"constraint": "ftp", "training.epochs": "5"}. Raises `UserError`."""
    values = {"constraint": constraint} if constraint else {}
    for setting in given:
        path, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: expected FIELD=VALUE, for example --set training.epochs=5")
        values[path] = value
    return values


def seeds_of(given: Sequence[int]) -> tuple[int, ...]:
    """Each seed once. Raises `UserError` for one below 0."""
    for seed in given:
        if seed < 0:
            raise UserError(f"--seeds {seed}: give numbers from 0")
    return tuple(dict.fromkeys(given))


def rows_of(names: Sequence[str], values: Mapping[str, str], strict: bool = False) -> list[Method]:
    """The rows of those names with the settings put in. A setting that fits none of them is an error; with
    `strict`, one that does not fit all."""
    chosen = [find_method(name) for name in (METHODS if "all" in names else names)]
    rows = override_each(chosen, values, override, strict)
    for row in rows:
        validate(row)
    return rows


def narrator() -> AbstractContextManager[Narrator]:
    return terminal() if is_main_process() else nullcontext(Silent())


def console() -> Console:
    """That of the main process; the others say nothing."""
    return screen.console(quiet=not is_main_process())


def print_line(line: str) -> None:
    """One line, however narrow the terminal: names of files in it can be copied."""
    console().print(line, soft_wrap=True)


def print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        console().print(f"note: {note}")


def store_of(memory_limit: float) -> FeatureStore:
    return FeatureStore(memory_limit=int(memory_limit * 2**30))
