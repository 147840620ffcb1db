"""Collects the answers of all finished runs of a comparison, and compares them with one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from anchorline.classifier.runs import Record, read_record
from anchorline.encoders.encoder import Encoder
from anchorline.engine.distributed import is_main_process
from anchorline.engine.jobs import Job
from anchorline.evaluation.evaluators.summary import changes
from anchorline.metric import UNTOUCHED, Provenance, table_of
from anchorline.metrics.significance import differences
from anchorline.report import MethodDetails
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.alpha import COLUMNS as CURVE_COLUMNS
from anchorline.tasks.classification.measuring import (
    FORMAT,
    Measured,
    Measurement,
    read_curve,
    read_details,
    read_measurement,
)
from anchorline.tasks.comparison import ANSWERS, found_runs
from anchorline.training.movement import COLUMNS as MOVEMENT_COLUMNS
from anchorline.training.movement import read_movement


@dataclass(frozen=True, eq=False)
class Gathered:
    """All that a comparison shows.

    Attributes:
        records: of the runs, in the order of the rows.
        rows: as in results.csv.
        details: of the first seed of each method that is shown.
        differences, curves, movements: as in differences.csv, alpha.csv, movement.csv.
        left_out: methods by detector and reason.
        first: the run of the first seed, by method.
    """

    records: list[Record]
    rows: pd.DataFrame
    details: list[MethodDetails]
    differences: pd.DataFrame
    curves: pd.DataFrame
    movements: pd.DataFrame
    left_out: dict[tuple[str, str], list[str]]
    first: dict[str, Path]


def gather(directory: Path, names: Sequence[str], asked: Measured, encoder: Encoder) -> Gathered:
    """What is finished in a comparison, of this encoder, suite and options; the untouched encoder first, and
    methods in the order in which they were asked for, `names` at last."""
    found: list[tuple[Record, Measurement]] = []
    for _, _, run in found_runs(directory, names):
        record = read_record(run)
        if record and record.encoder_hash == encoder.hash:
            if not record.method.training and any(one.method.name == record.method.name for one, _ in found):
                continue  # it draws no random numbers
            measurement = read_measurement(asked.measurement(run, record.identity))
            if measurement:
                found.append((record, measurement))
    records = [record for record, _ in found]
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.method.name, record)
    left_out: dict[tuple[str, str], list[str]] = {}
    for record, measurement in found:
        for missed in measurement.left_out.items():
            left_out.setdefault(missed, []).append(record.method.name)
    shown = [read_details(asked.details(one.run, one.identity)) for one in records]
    details = {one.method: one for one in reversed(shown) if one}  # of the lowest seed that has any
    return Gathered(
        records,
        _rows(asked.suite, encoder, found),
        [details[name] for name in first if name in details],
        _differences(directory, asked, found),
        _curves(asked, records),
        _movements(list(first.values())),
        left_out,
        {name: record.run for name, record in first.items()},
    )


def _rows(suite: Suite, encoder: Encoder, found: Sequence[tuple[Record, Measurement]]) -> pd.DataFrame:
    """Figures, and changes against the untouched encoder."""
    untouched = next(one.metrics for record, one in found if record.method.name == UNTOUCHED)
    whole, rows = suite.hash, []
    for record, one in found:
        measured_on = Provenance(
            suite.name, whole, encoder.name, encoder.hash, record.method.name, record.seed, record.identity
        )
        rows += measured_on.rows([*one.metrics, *changes(one.metrics, untouched)])
    return table_of(rows)


def _differences(
    directory: Path, asked: Measured, found: Sequence[tuple[Record, Measurement]]
) -> pd.DataFrame:
    """Which methods differ by more than noise, kept until there are others to compare."""
    measured = [asked.measurement(record.run, record.identity).identity for record, _ in found]
    job = Job({"format": FORMAT, "measured": measured}, directory / ANSWERS / "differences.json")
    answer = job.answer()
    if answer is None:
        table = _tested(asked.suite, found)
        if is_main_process():
            job.put({"columns": list(table.columns), "rows": table.to_numpy(dtype=object).tolist()})
        return table
    return pd.DataFrame(answer.facts["rows"], columns=answer.facts["columns"])


def _tested(suite: Suite, found: Sequence[tuple[Record, Measurement]]) -> pd.DataFrame:
    """See `metrics.significance.differences`."""
    groups: dict[str, list[Measurement]] = {}
    for record, one in found:
        groups.setdefault(record.method.name, []).append(one)

    def stacked(what: Mapping[str, list[dict[str, Tensor]]], name: str) -> list[Tensor]:
        return [torch.stack([tensors[name] for tensors in group]) for group in what.values()]

    right = {method: [one.right for one in group] for method, group in groups.items()}
    confidence = {method: [one.confidence for one in group] for method, group in groups.items()}
    return differences(
        list(groups),
        stacked(right, "test"),
        {name: stacked(right, name) for name in suite.shifts},
        stacked(confidence, "test"),
        {name: stacked(confidence, name) for name in suite.outliers},
    )


def _curves(asked: Measured, records: Sequence[Record]) -> pd.DataFrame:
    """Every blend at every strength."""
    each = [read_curve(asked.alpha(one.run, one.identity)) for one in records if one.method.blend.blends]
    return pd.concat([pd.DataFrame(columns=CURVE_COLUMNS), *(one for one in each if one is not None)])


def _movements(records: Sequence[Record]) -> pd.DataFrame:
    """What runs tell of how far their layers moved: method, seed and the columns of `read_movement`; without
    methods that tell nothing."""
    every = [(one, read_movement(one.run)) for one in records]
    found = [
        rows.assign(
            method=one.method.name, seed=one.seed,
            parameter=rows["parameter"].map(one.method.tunable.layer_name),
        )
        for one, rows in every
        if not rows.empty
    ]  # fmt: skip
    columns = ["method", "seed", *MOVEMENT_COLUMNS]
    if not found:
        return pd.DataFrame(columns=columns)
    return pd.concat(found, ignore_index=True)[columns]
