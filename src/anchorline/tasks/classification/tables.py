"""The tables of a comparison, and the files that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.encoders.features import FeatureStore
from anchorline.engine.progress import Narrator
from anchorline.engine.storage import write_text
from anchorline.evaluation.base import Evaluation
from anchorline.methods.table import Method
from anchorline.metric import Metric
from anchorline.metrics.significance import differences
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.alpha import COLUMNS as CURVE_COLUMNS
from anchorline.tasks.classification.alpha import alpha_curve
from anchorline.training.movement import COLUMNS as MOVEMENT_COLUMNS
from anchorline.training.movement import read_movement


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What is kept of one classifier; features and logits are gone."""

    classifier: AdaptedClassifier
    metrics: list[Metric]
    right: dict[str, Tensor]  # of test and each shift, bool [N]
    confidence: dict[str, Tensor]  # MSP of test and each outlier set, [N]


def kept(evaluation: Evaluation, metrics: list[Metric]) -> Evaluated:
    return Evaluated(
        # A copy, without the adapted encoder that the original has built: memory must not grow by run.
        replace(evaluation.classifier),
        metrics,
        {name: said.right for name, said in evaluation.labelled().items()},
        {name: evaluation.outputs[name].confidence for name in ("test", *evaluation.suite.outliers)},
    )


def differences_of(suite: Suite, evaluated: Sequence[Evaluated]) -> pd.DataFrame:
    """Which methods differ by more than noise; see `measures.paired`."""
    groups: dict[str, list[Evaluated]] = {}
    for one in evaluated:
        groups.setdefault(one.classifier.method.name, []).append(one)

    def right(name: str) -> list[Tensor]:
        return [torch.stack([one.right[name] for one in group]) for group in groups.values()]

    def confidence(name: str) -> list[Tensor]:
        return [torch.stack([one.confidence[name] for one in group]) for group in groups.values()]

    return differences(
        list(groups),
        right("test"),
        {name: right(name) for name in suite.shifts},
        confidence("test"),
        {name: confidence(name) for name in suite.outliers},
    )


def curves_of(
    evaluated: Sequence[Evaluated], suite: Suite, store: FeatureStore, directory: Path, narrator: Narrator
) -> pd.DataFrame:
    """Every blend at every strength."""
    blended = [e.classifier for e in evaluated if e.classifier.method.blend.blends]
    each = [
        alpha_curve(c, suite, store, run_directory(directory, c.method, c.seed), narrator) for c in blended
    ]
    return pd.concat([pd.DataFrame(columns=CURVE_COLUMNS), *each])


def movements_of(directory: Path, classifiers: Sequence[AdaptedClassifier]) -> pd.DataFrame:
    """What the runs of these classifiers tell of how far their layers moved: method, seed and the columns of
    `read_movement`; without methods that tell nothing."""
    every = [(c, read_movement(run_directory(directory, c.method, c.seed))) for c in classifiers]
    found = [
        rows.assign(
            method=c.method.name, seed=c.seed, parameter=rows["parameter"].map(c.method.tunable.layer_name)
        )
        for c, rows in every
        if not rows.empty
    ]
    columns = ["method", "seed", *MOVEMENT_COLUMNS]
    if not found:
        return pd.DataFrame(columns=columns)
    return pd.concat(found, ignore_index=True)[columns]


def write_results(
    directory: Path,
    table: pd.DataFrame,
    differences: pd.DataFrame,
    curves: pd.DataFrame,
    movements: pd.DataFrame,
) -> None:
    write_table(directory, table)
    write_text(directory / "differences.csv", differences.to_csv(index=False))
    write_text(directory / "alpha.csv", curves.to_csv(index=False))
    write_text(directory / "movement.csv", movements.to_csv(index=False))


def write_table(directory: Path, table: pd.DataFrame) -> None:
    """All figures as results.jsonl and results.csv, and its own in each run's metrics.jsonl."""
    write_text(directory / "results.jsonl", _lines(table))
    write_text(directory / "results.csv", table.to_csv(index=False))
    for (method, seed), own in table.groupby(["method", "seed"], sort=False):
        file = directory / "runs" / str(method) / f"seed-{seed}" / "metrics.jsonl"
        write_text(file, _lines(own))


def _lines(table: pd.DataFrame) -> str:
    return str(table.to_json(orient="records", lines=True, force_ascii=False))


def run_directory(directory: Path, method: Method, seed: int) -> Path:
    return directory / "runs" / method.name / f"seed-{seed}"
