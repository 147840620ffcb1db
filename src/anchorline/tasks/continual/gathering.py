"""Collects the answers of all finished sequences of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from anchorline.encoders.encoder import Encoder
from anchorline.engine.jobs import read_json
from anchorline.evaluation.evaluators.summary import changes
from anchorline.metric import UNTOUCHED, Metric, Provenance, table_of
from anchorline.suites.suite import Suite
from anchorline.tasks.comparison import found_runs
from anchorline.tasks.continual.measuring import TASK
from anchorline.tasks.continual.runs import FILE, Learnt, read

MATRIX = ["method", "seed", "after_task", "task", "accuracy"]


@dataclass(frozen=True, eq=False)
class Gathered:
    """All that a comparison shows.

    Attributes:
        rows, matrix: as in results.csv and matrix.csv.
        learnt: every method and seed, in the order of the rows.
        first: of the first seed, by method.
    """

    rows: pd.DataFrame
    matrix: pd.DataFrame
    learnt: list[Learnt]
    first: dict[str, Learnt]


def gather(
    directory: Path, names: Sequence[str], suite: Suite, encoder: Encoder, tasks: int, rehearsal: int
) -> Gathered:
    """What is finished in a comparison, of this suite, encoder, number of tasks and rehearsal; seed by seed,
    methods in the order in which they were asked for, `names` at last."""
    learnt: list[Learnt] = []
    for _, _, run in sorted(found_runs(directory, names), key=lambda one: one[1]):
        facts, one = read_json(run / FILE), read(run, encoder)
        asked = (suite.hash, tasks, rehearsal)
        if one and (facts["measured_on"], len(facts["tasks"]), facts["rehearsal"]) == asked:
            learnt.append(one)
    untouched = {one.seed: one for one in learnt if one.row.name == UNTOUCHED}
    learnt = [one for one in learnt if one.seed in untouched]  # the others have nothing to be compared with
    rows = [row for one in learnt for row in _rows(suite, one, untouched[one.seed])]
    table = table_of(rows)
    first: dict[str, Learnt] = {}
    for one in learnt:
        first.setdefault(one.row.name, one)
    return Gathered(table, matrix_of(table), learnt, first)


def _rows(suite: Suite, learnt: Learnt, untouched: Learnt) -> list[dict[str, Any]]:
    """Figures, and changes against the untouched encoder, with all that says what they were measured on."""
    measured_on = Provenance(
        suite.name, suite.hash, learnt.encoder.name, learnt.encoder.hash, learnt.row.name, learnt.seed,
        learnt.identity,
    )  # fmt: skip
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
