"""What the comparisons of all tasks share: their rows, their directory, their tables and what they return."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd

from anchorline.encoders.encoder import Encoder
from anchorline.engine.directories import About, Held, Named, claim_directory
from anchorline.engine.distributed import from_main_process, is_main_process
from anchorline.engine.jobs import Job, read_json
from anchorline.engine.locks import Lock
from anchorline.engine.progress import Narrator
from anchorline.engine.storage import read_facts, write_text
from anchorline.errors import UserError
from anchorline.metric import AXES
from anchorline.suites.suite import Suite
from anchorline.version import __version__, command_line, commit

Row = TypeVar("Row", bound=Any)  # of a table of methods: has a `name`
Adapted = TypeVar("Adapted")
AnySuite = TypeVar("AnySuite")

ANSWERS = "answers"  # folder of what is kept so that nothing is computed twice
# Names that a comparison writes into its directory; `--overwrite` takes away nothing else.
_OURS = (
    "results.csv", "results.jsonl", "differences.csv", "alpha.csv", "matrix.csv", "movement.csv",
    "published.csv", "report.html", "ablation.csv", "ablation.html",
    f"{ANSWERS}/suite.json", f"{ANSWERS}/methods.json", f"{ANSWERS}/differences.json",
    *(
        f"runs/*/seed-*/{name}"
        for name in (
            "config.json", "tuned.safetensors", "metrics.jsonl", "movement.csv", "sequence.json",
            "figures-*.json", "trial-*/training.jsonl", "trial-*/checkpoint.safetensors",
            "trial-*/trial-*.safetensors", "trial-*/trial-*.json", "trial-*/task-*/training.jsonl",
            "trial-*/task-*/checkpoint.safetensors", "trial-*/task-*/tuned.safetensors",
            f"{ANSWERS}/measurement-*.safetensors", f"{ANSWERS}/details-*.safetensors",
            f"{ANSWERS}/counts-*.safetensors", f"{ANSWERS}/alpha.json",
        )
    ),
)  # fmt: skip


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


def claim_comparison(directory: Path, task: str, about: About, overwrite: bool) -> Path:
    """The directory of a comparison: new, empty, or with a comparison of the same suite and encoder.

    `about` says which they are, by what they are. Raises `UserError`.
    """
    kind = f"comparison of {task}"

    def before(directory: Path) -> Held | None:
        if {one.name for one in directory.iterdir() if not one.name.startswith(".")} == {
            "replica"
        }:  # which a recipe has just drawn
            return kind, {}
        return _unmarked_comparison(directory)

    return claim_directory(directory, kind, about, ours=_OURS, before=before, overwrite=overwrite)


def _unmarked_comparison(directory: Path) -> Held | None:
    """What an earlier version has left: results.csv tells of what, and its runs that it is one."""
    configurations = [read_json(file) for file in directory.glob("runs/*/seed-*/config.json")]
    if not any("configuration_hash" in facts for facts in configurations):
        return None
    try:
        first = pd.read_csv(directory / "results.csv", nrows=1, dtype=str).iloc[0]
        about = {
            "suite": Named(first.suite, first.suite_hash),
            "encoder": Named(first.encoder, first.encoder_hash),
        }
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    task = "continual learning" if (directory / "matrix.csv").is_file() else "classification"
    kinds = {facts.get("task") for facts in configurations}
    return f"comparison of {'segmentation' if 'segmentation' in kinds else task}", about


def claim_run(directory: Path, kind: str, job: Job, overwrite: bool, narrator: Narrator) -> None:
    """The directory of a run: new, empty, or with a run of the same kind. Raises `UserError` for a directory
    with something else, or, unless `overwrite` says to replace it, with the finished run of another
    request."""
    claim_directory(directory, kind, {}, ours=(), before=_unmarked_run)
    refuse_or_replace(directory, job, overwrite, narrator)


def refuse_or_replace(directory: Path, job: Job, overwrite: bool, narrator: Narrator) -> None:
    """Raises `UserError` where a finished run of another request stands in the way of a job."""
    # One process decides for all: what lies there changes when it is taken away.
    if from_main_process(job.holds_another):
        of_now = read_json(job.file).get("format") == job.request["format"]
        other = "other settings or images" if of_now else "the format of an earlier version"
        if not overwrite:
            raise UserError(
                f"{directory} holds a finished run with {other}; give another directory with --out, or "
                "replace it with --overwrite"
            )
        narrator.say(f"note: {directory} held a run with {other}, which this one replaces")
        from_main_process(lambda: job.file.unlink(missing_ok=True))


def _unmarked_run(directory: Path) -> Held | None:
    """What an earlier version has left: a finished run, or the trials of one."""
    facts = read_json(directory / "config.json")
    states = [read_facts(file) for file in directory.glob("trial-*/checkpoint.safetensors")]
    if "configuration_hash" not in facts and not any("identity" in state for state in states):
        return None
    if (directory / "sequence.json").is_file():
        return "sequence", {}
    return "segmentation run" if facts.get("task") else "run", {}


def run_directory(directory: Path, method: str, seed: int) -> Path:
    return directory / "runs" / method / f"seed-{seed}"


def found_runs(directory: Path, names: Sequence[str]) -> list[tuple[str, int, Path]]:
    """(method, seed, directory) of all that lies in a comparison: methods in the order in which commands
    have asked for them, this command's `names` at the end; seeds ascending."""
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


def how_measured(suite: Suite, encoder: Encoder) -> dict[str, str]:
    """The facts that every page tells: on what, with what, by which code and when."""
    random = "; RANDOM weights: these figures say nothing about any method" if encoder.random else ""
    return {
        "Command": command_line.get(),
        "Suite": f"{suite.name} (hash {suite.hash}), {len(suite.classes)} classes",
        "Encoder": f"{encoder.name} (weights hash {encoder.hash}) on {encoder.device}{random}",
        "Version": f"anchorline {__version__}, commit {commit() or 'unknown'}",
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }
