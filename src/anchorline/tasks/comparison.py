"""What the comparisons of all tasks share: their rows, their directory, their tables and what they return."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd

from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.jobs import read_json
from anchorline.engine.locks import Lock
from anchorline.engine.storage import write_text
from anchorline.errors import UserError
from anchorline.metric import AXES

Row = TypeVar("Row", bound=Any)  # of a table of methods: has a `name`
Adapted = TypeVar("Adapted")
AnySuite = TypeVar("AnySuite")
Gathered = TypeVar("Gathered")

ANSWERS = "answers"  # folder of what is kept so that nothing is computed twice


@dataclass(frozen=True, eq=False)
class Comparison(Generic[AnySuite, Adapted]):
    """What `compare` found.

    Attributes:
        rows: one row a number; the columns are those of results.csv.
        classifiers: by method name, of the lowest seed; read from their runs when they are asked for.
        suite: as compared, without images that could not be read.
        directory: where everything was written.
    """

    rows: pd.DataFrame
    classifiers: Mapping[str, Adapted]
    suite: AnySuite
    directory: Path

    @property
    def report(self) -> Path:
        return self.directory / "report.html"

    @property
    def table(self) -> pd.DataFrame:
        """A row a method, means over seeds: the axes that were measured, then cost and changes. Where tasks
        are learnt one after the other, what stands in the end."""
        summary = self.rows[self.rows.role == "summary"]
        if "task" in summary:
            summary = summary[summary.task == summary.task.max()]
        means = summary.pivot_table(index="method", columns="metric", values="value", sort=False)
        first = [name for name in (*AXES, "mean") if name in means]
        return means[[*first, *means.columns.difference(first, sort=False)]]


class Runs(Mapping[str, Adapted]):
    """What was adapted, by name: each is read from its run when it is asked for."""

    def __init__(self, directories: Mapping[str, Path], load: Callable[[Path], Adapted]) -> None:
        self._directories, self._load = dict(directories), load

    def __getitem__(self, name: str) -> Adapted:
        return self._load(self._directories[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._directories)

    def __len__(self) -> int:
        return len(self._directories)


def chosen_rows(
    methods: Iterable[str | Row], find: Callable[[str], Row], first: Sequence[Row] = ()
) -> list[Row]:
    """The rows of the table that are meant, each once, in their order after the `first` ones. Raises
    `UserError` for a name that the table lacks."""
    rows = [*first, *(find(one) if isinstance(one, str) else one for one in methods)]
    return list({row.name: row for row in rows}.values())


def checked_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """The seeds, each once. Raises `UserError` where there is none."""
    if not seeds:
        raise UserError("no seed is given; give --seeds at least one")
    return tuple(dict.fromkeys(seeds))


def run_directory(directory: Path, method: str, seed: int) -> Path:
    return directory / "runs" / method / f"seed-{seed}"


def found_runs(directory: Path, names: Sequence[str]) -> list[tuple[str, int, Path]]:
    """(method, seed, directory) of all that lies in a comparison: methods in the order in which commands
    have asked for them, those of this command last; seeds ascending."""
    asked = directory / ANSWERS / "methods.json"
    with Lock(asked).held(is_main_process()):
        before = read_json(asked).get("methods", [])
        known = list(dict.fromkeys([*before, *names]))
        if is_main_process() and known != before:
            write_text(asked, json.dumps({"methods": known}, ensure_ascii=False) + "\n")
    return runs_in(directory, known)


def runs_in(directory: Path, names: Iterable[str]) -> list[tuple[str, int, Path]]:
    """(method, seed, directory) of the runs of these methods, finished or not; seeds ascending."""
    found = []
    for name in names:
        places = (directory / "runs" / name).glob("seed-*")
        numbers = [(place.name.removeprefix("seed-"), place) for place in places]
        found += sorted((name, int(number), place) for number, place in numbers if number.isdigit())
    return found


def write_tables(directory: Path, rows: pd.DataFrame, **tables: pd.DataFrame) -> None:
    """All figures as results.jsonl and results.csv, each run's own in its metrics.jsonl, and other tables as
    NAME.csv."""
    write_text(directory / "results.jsonl", _lines(rows))
    write_text(directory / "results.csv", rows.to_csv(index=False))
    for name, table in tables.items():
        write_text(directory / f"{name}.csv", table.to_csv(index=False))
    for (method, seed), own in rows.groupby(["method", "seed"], sort=False):
        write_text(run_directory(directory, str(method), int(seed)) / "metrics.jsonl", _lines(own))


def _lines(table: pd.DataFrame) -> str:
    return str(table.to_json(orient="records", lines=True, force_ascii=False))


def publish(
    directory: Path,
    gather: Callable[[], Gathered],
    write: Callable[[Gathered], object],
    tell: Callable[[str], None],
) -> Gathered:
    """What all runs have found; the first process writes it, and of several commands one at a time."""
    with main_process_first(), Lock(directory / "report.html").held(is_main_process(), tell):
        found = gather()
        if is_main_process():
            write(found)
    return found
