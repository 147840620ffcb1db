"""`compare`: several methods through the same sequences of tasks; results on disk and one page to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from anchorline.encoders.encoder import Encoder
from anchorline.encoders.features import FeatureStore, suite_features
from anchorline.engine.distributed import is_main_process
from anchorline.engine.progress import Narrator, Silent
from anchorline.engine.storage import write_text
from anchorline.errors import UserError
from anchorline.evaluation.evaluators.summary import changes
from anchorline.metric import UNTOUCHED, Metric, table_of
from anchorline.report.published import Published, beside, write_published
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.comparing import writable
from anchorline.tasks.classification.facts import origin, plan
from anchorline.tasks.classification.tables import write_table
from anchorline.tasks.continual.learning import Setting
from anchorline.tasks.continual.measuring import TASK
from anchorline.tasks.continual.methods import METHODS, ContinualMethod, check, find_continual
from anchorline.tasks.continual.page import write_report
from anchorline.tasks.continual.running import learn_sequence
from anchorline.tasks.continual.runs import Learnt
from anchorline.tasks.continual.sequence import draw_sequence

MATRIX = ["method", "seed", "after_task", "task", "accuracy"]


@dataclass(frozen=True, eq=False)
class ContinualComparison:
    """What `compare` found.

    Attributes:
        rows: one row a number; the columns are those of results.csv, with `task`: after which one.
        matrix: R, as in matrix.csv: method, seed, after_task, task, accuracy in percent.
        learnt: every method and seed.
        suite: as compared, without images that could not be read.
        directory: where everything was written.
    """

    rows: pd.DataFrame
    matrix: pd.DataFrame
    learnt: list[Learnt]
    suite: Suite
    directory: Path

    @property
    def report(self) -> Path:
        return self.directory / "report.html"

    @property
    def table(self) -> pd.DataFrame:
        """A row a method: what stands in the end, as means over seeds."""
        last = self.rows[(self.rows.role == "summary") & (self.rows.task == self.rows.task.max())]
        return last.pivot_table(index="method", columns="metric", values="value", sort=False)


def compare(
    suite: Suite,
    encoder: Encoder,
    methods: Sequence[str | ContinualMethod] = (),
    out: str | Path = "runs/continual",
    *,
    tasks: int = 10,
    rehearsal: int = 0,
    seeds: Sequence[int] = (0,),
    store: FeatureStore | None = None,
    narrator: Narrator | None = None,
    published: Sequence[Published] = (),
) -> ContinualComparison:
    """Learn the classes of a suite in `tasks` disjoint tasks by each method (all of the table where none is
    named), once a seed, which draws the order of the classes; measure all after each task.

    The untouched encoder is always among them, and first: changes are against it, on the same classes.
    `rehearsal` is the number of training images that may be kept in all (see `rehearsal.stored`).
    `published` figures stand beside ours after the last task, in the report and in published.csv.

    Writes into `out`: results.jsonl, results.csv, matrix.csv, report.html, and a run directory
    runs/METHOD/seed-SEED for each (see `learn_sequence`); the same call goes on from what is there. Raises
    `UserError`.
    """
    narrator, store = narrator or Silent(), store or FeatureStore()
    rows = _rows(methods)
    if rehearsal < 0:
        raise UserError(f"a buffer of {rehearsal} images was asked for; give --rehearsal from 0")
    if not seeds:
        raise UserError("no seed is given; give --seeds at least one")
    sequences = {seed: draw_sequence(suite, tasks, seed) for seed in seeds}  # mistakes show early
    directory = writable(Path(out))
    narrator.say(plan(suite, encoder))
    suite, _ = suite_features(store, encoder, suite, narrator.bar)
    sequences = {seed: draw_sequence(suite, tasks, seed) for seed in sequences}  # of the readable images
    learnt: list[Learnt] = []
    found: list[dict[str, Any]] = []
    for seed, sequence in sequences.items():
        setting = Setting(encoder, sequence, rehearsal, store, narrator)
        untouched: Learnt | None = None
        for row in rows:
            one = learn_sequence(setting, row, directory / "runs" / row.name / f"seed-{seed}")
            untouched = untouched or one
            learnt.append(one)
            found += _told(suite, one, untouched)
            narrator.say(f"{row.name}, seed {seed}: {one.seconds:.1f} s")
    table = table_of(found)
    matrix = matrix_of(table)
    comparison = ContinualComparison(table, matrix, learnt, suite, directory)
    if is_main_process():
        write_table(directory, table)
        write_text(directory / "matrix.csv", matrix.to_csv(index=False))
        papers = beside(table[table.task == table.task.max()], published)
        write_published(directory, papers)
        write_report(comparison.report, table, matrix, learnt, suite, encoder, rehearsal, papers)
    return comparison


def _rows(methods: Sequence[str | ContinualMethod]) -> list[ContinualMethod]:
    """The rows that are compared, the untouched encoder first."""
    found = [find_continual(one) if isinstance(one, str) else one for one in methods]
    rows = [METHODS[UNTOUCHED], *(found or METHODS.values())]
    for row in rows:
        check(row)
    return list({row.name: row for row in rows}.values())


def _told(suite: Suite, learnt: Learnt, untouched: Learnt) -> list[dict[str, Any]]:
    """Figures, and changes against the untouched encoder, with all that says what they were measured on."""
    measured_on = origin(suite, learnt.encoder, learnt.row.name, learnt.seed, learnt.identity)
    return [
        row
        for task, (ours, before) in enumerate(zip(learnt.metrics, untouched.metrics, strict=True), 1)
        for row in measured_on.rows([*ours, _gain(ours, before), *changes(ours, before)], task=task)
    ]


def _gain(ours: list[Metric], untouched: list[Metric]) -> Metric:
    """The change of A_{1:t} against the untouched encoder, in points."""
    now, before = (
        next(one.value for one in metrics if one.metric == "average_accuracy")
        for metrics in (ours, untouched)
    )
    return Metric("", "summary", "delta_average_accuracy", now - before, unit="points")


def matrix_of(table: pd.DataFrame) -> pd.DataFrame:
    """R of every method and seed, a row an entry, out of the rows of results.csv."""
    own = table[table.role == TASK]
    return pd.DataFrame({
        "method": own.method,
        "seed": own.seed,
        "after_task": own.task,
        "task": own["set"].str.removeprefix("task ").astype(int),
        "accuracy": own.value,
    })[MATRIX].reset_index(drop=True)  # fmt: skip
