"""`compare`: several methods, one suite, one encoder; results on disk and one page to look at."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from anchorline.adapting import adapt
from anchorline.checkpoints import write_text
from anchorline.classifier import AdaptedClassifier
from anchorline.curves import COLUMNS as CURVE_COLUMNS
from anchorline.curves import alpha_curve
from anchorline.encoder import Encoder
from anchorline.errors import UserError
from anchorline.evaluating import rows_of, table_of
from anchorline.evaluation import Metric, Outcome, changes, measure, outcomes
from anchorline.facts import facts, notes, plan
from anchorline.features import FeatureStore, suite_features
from anchorline.methods import SHOWN, UNTOUCHED, Method, find_method
from anchorline.movement import COLUMNS as MOVEMENT_COLUMNS
from anchorline.movement import read_movement
from anchorline.processes import is_first
from anchorline.progress import Narrator, Silent
from anchorline.report import write_report
from anchorline.showing import details
from anchorline.suites.suite import Suite


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found.

    Attributes:
        rows: one row a number; the columns are those of results.csv.
        classifiers: by method name, of the first seed.
        suite: as compared, without images that could not be read.
        directory: where everything was written.
    """

    rows: pd.DataFrame
    classifiers: dict[str, AdaptedClassifier]
    suite: Suite
    directory: Path

    @property
    def report(self) -> Path:
        return self.directory / "report.html"

    @property
    def table(self) -> pd.DataFrame:
        """A row a method: the three axes, their mean, the changes and the cost, as means over seeds."""
        summary = self.rows[self.rows.role == "summary"]
        return summary.pivot_table(index="method", columns="metric", values="value", sort=False)


@dataclass(frozen=True, eq=False)
class _Evaluated:
    classifier: AdaptedClassifier
    said: Mapping[str, Outcome]
    metrics: list[Metric]


def compare(
    suite: Suite,
    encoder: Encoder,
    methods: Sequence[str | Method] = SHOWN,
    out: str | Path = "runs/compare",
    *,
    seeds: Sequence[int] = (0,),
    store: FeatureStore | None = None,
    narrator: Narrator | None = None,
    trackers: tuple[str, ...] = (),
) -> Comparison:
    """Adapt the encoder by each method, once a seed, and evaluate all on the same images.

    The untouched encoder is always among them, and first: changes are measured against it. Methods that draw
    no random numbers run once. Writes into `out`: results.jsonl, results.csv, alpha.csv (each blend at every
    strength), movement.csv (how far each layer moved, of the first seed), report.html, and a run directory
    runs/METHOD/seed-SEED for each (see `load`). What is finished there is not run again, and what was
    interrupted goes on. Each image passes through each encoder once; what comes out is kept, so that the
    same again takes seconds. Raises `UserError`.
    """
    narrator, store = narrator or Silent(), store or FeatureStore()
    rows = [find_method(m) if isinstance(m, str) else m for m in (UNTOUCHED, *methods)]
    rows = list({row.name: row for row in rows}.values())
    directory = _writable(Path(out))
    narrator.say(plan(suite, encoder))
    suite, features = suite_features(store, encoder, suite, narrator.bar)
    evaluated: list[_Evaluated] = []
    for row in rows:
        for seed in seeds if row.training else seeds[:1]:
            classifier = adapt(
                encoder, suite, row, seed, store,
                run=_run(directory, row, seed), narrator=narrator, trackers=trackers,
                reuse=[e.classifier for e in evaluated], overwrite=True,
            )  # fmt: skip
            said = outcomes(classifier, suite, store, narrator.bar)
            metrics = list(measure(classifier, suite, said))
            metrics += changes(metrics, evaluated[0].metrics if evaluated else metrics)
            # A copy, without the adapted encoder that the original has built: memory must not grow by run.
            evaluated.append(_Evaluated(replace(classifier), said, metrics))
            narrator.say(f"{row.name}, seed {seed}: adapted in {classifier.seconds:.1f} s")
    table = table_of(row for one in evaluated for row in rows_of(suite, one.classifier, one.metrics))
    each = (
        alpha_curve(
            e.classifier, suite, store, _run(directory, e.classifier.method, e.classifier.seed), narrator
        )
        for e in evaluated
        if e.classifier.method.blend.name != "none"
    )
    curves = pd.concat([pd.DataFrame(columns=CURVE_COLUMNS), *each])
    # Pictures and mistakes are those of the first seed; numbers are means over all.
    first = list({e.classifier.method.name: e for e in reversed(evaluated)}.values())[::-1]
    if is_first():
        movements = _movements(directory, [e.classifier for e in first])
        _write_results(directory, table, curves, movements)
        write_report(
            directory / "report.html",
            title=f"{suite.name} with {encoder.name}",
            rows=table,
            details=[details(e.classifier, suite, e.said, evaluated[0].said) for e in first],
            curves=curves,
            movements=movements,
            facts=facts(suite, [one.classifier for one in evaluated], features),
            notes=notes(suite, encoder, [one.classifier for one in evaluated]),
        )
    return Comparison(table, {e.classifier.method.name: e.classifier for e in first}, suite, directory)


def _movements(directory: Path, classifiers: Sequence[AdaptedClassifier]) -> pd.DataFrame:
    """What the runs of these classifiers tell of how far their layers moved: method, seed and the columns of
    `read_movement`; without methods that tell nothing."""
    every = [(c, read_movement(_run(directory, c.method, c.seed))) for c in classifiers]
    found = [rows.assign(method=c.method.name, seed=c.seed) for c, rows in every if not rows.empty]
    columns = ["method", "seed", *MOVEMENT_COLUMNS]
    if not found:
        return pd.DataFrame(columns=columns)
    movements = pd.concat(found, ignore_index=True)[columns]
    # A layer of the image tower has one name, whether the text tower was trained beside it or not.
    movements["parameter"] = movements["parameter"].str.replace(r"^model\.visual\.", "tower.", regex=True)
    return movements


def _write_results(
    directory: Path, table: pd.DataFrame, curves: pd.DataFrame, movements: pd.DataFrame
) -> None:
    write_text(directory / "results.jsonl", _lines(table))
    write_text(directory / "results.csv", table.to_csv(index=False))
    write_text(directory / "alpha.csv", curves.to_csv(index=False))
    write_text(directory / "movement.csv", movements.to_csv(index=False))
    for (method, seed), own in table.groupby(["method", "seed"], sort=False):
        file = directory / "runs" / str(method) / f"seed-{seed}" / "metrics.jsonl"
        write_text(file, _lines(own))


def _lines(table: pd.DataFrame) -> str:
    return str(table.to_json(orient="records", lines=True, force_ascii=False))


def _run(directory: Path, method: Method, seed: int) -> Path:
    return directory / "runs" / method.name / f"seed-{seed}"


def _writable(directory: Path) -> Path:
    try:
        (directory / "runs").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError as error:
        raise UserError(
            f"cannot write results into {directory} ({error.strerror}); give another directory with --out"
        ) from error
