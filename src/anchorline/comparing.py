"""`compare`: several methods, one suite, one encoder; results on disk and one page to look at."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from anchorline.adapting import adapt
from anchorline.checkpoints import write_text
from anchorline.classifier import AdaptedClassifier
from anchorline.curves import COLUMNS as CURVE_COLUMNS
from anchorline.curves import alpha_curve
from anchorline.encoder import Encoder
from anchorline.errors import UserError
from anchorline.evaluating import rows_of, table_of
from anchorline.evaluation import (
    Examined,
    Metric,
    Options,
    Outcome,
    changes,
    corruption,
    examine,
    measure,
)
from anchorline.facts import facts, notes, plan
from anchorline.features import FeatureStore, suite_features
from anchorline.measures.paired import differences
from anchorline.measures.resampling import Resamples
from anchorline.methods import SHOWN, UNTOUCHED, Method, find_method
from anchorline.movement import COLUMNS as MOVEMENT_COLUMNS
from anchorline.movement import read_movement
from anchorline.processes import is_first
from anchorline.progress import Narrator, Silent
from anchorline.report import MethodDetails, write_report
from anchorline.selecting import Select, chosen_by, learnt_suite
from anchorline.showing import details
from anchorline.suites.leakage import duplicates, notes_on
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
    """What is kept of one classifier; features and logits are gone."""

    classifier: AdaptedClassifier
    metrics: list[Metric]
    right: dict[str, Tensor]  # of test and each shift, bool [N]
    confidence: dict[str, Tensor]  # MSP of test and each outlier set, [N]


def compare(
    suite: Suite,
    encoder: Encoder,
    methods: Sequence[str | Method] = SHOWN,
    out: str | Path = "runs/compare",
    *,
    seeds: Sequence[int] = (0,),
    select: Select = "val",
    options: Options | None = None,
    store: FeatureStore | None = None,
    narrator: Narrator | None = None,
    trackers: tuple[str, ...] = (),
) -> Comparison:
    """Adapt the encoder by each method, once a seed, and evaluate all on the same images.

    The untouched encoder is always among them, and first: changes are measured against it. Methods that draw
    no random numbers run once. `select` "oracle" chooses on test and all shifts instead of val, to show what
    honest choice costs; such methods are named so. `options` asks for more to be measured.

    Writes into `out`: results.jsonl, results.csv, differences.csv (every pair of methods), alpha.csv (each
    blend at every strength), movement.csv (how far each layer moved, of the first seed), report.html, and a
    run directory runs/METHOD/seed-SEED for each (see `load`). What is finished there is not run again, and
    what was interrupted goes on. Each image passes through each encoder once; what comes out is kept, so that
    the same again takes seconds. Raises `UserError`.
    """
    narrator, store, options = narrator or Silent(), store or FeatureStore(), options or Options()
    options.columns_of_subsets(suite.classes)  # a mistake shows before the long work
    rows = [find_method(m) if isinstance(m, str) else m for m in (UNTOUCHED, *methods)]
    rows = [chosen_by(select, row) for row in {row.name: row for row in rows}.values()]
    directory = _writable(Path(out))
    narrator.say(plan(suite, encoder))
    suite, features = suite_features(store, encoder, suite, narrator.bar)
    doubles = duplicates(suite, lambda images: store.fingerprints(encoder.geometry, images))
    suite = replace(suite, notes=(*suite.notes, *notes_on(doubles)))
    adapted_to = learnt_suite(select, suite)
    resamples = Resamples()
    evaluated: list[_Evaluated] = []
    shown: list[MethodDetails] = []
    left_out: dict[str, str] = {}
    before: Mapping[str, Outcome] | None = None
    for row in rows:
        for seed in seeds if row.training else seeds[:1]:
            classifier = adapt(
                encoder, suite if row.name == UNTOUCHED else adapted_to, row, seed, store,
                run=_run(directory, row, seed), narrator=narrator, trackers=trackers,
                reuse=[e.classifier for e in evaluated], overwrite=True,
            )  # fmt: skip
            examined, missing = examine(
                classifier, suite, store,
                untouched=before, options=options, resamples=resamples, progress=narrator.bar,
            )  # fmt: skip
            left_out |= missing
            metrics = measure(examined)
            metrics += corruption(classifier, suite, options.corruptions, store, narrator.bar)
            metrics += changes(metrics, evaluated[0].metrics if evaluated else metrics)
            if before is None:
                before = examined.said
            if seed == seeds[0]:  # pictures and mistakes are those of the first seed; numbers are means
                shown.append(details(examined))
            evaluated.append(_kept(examined, metrics))
            narrator.say(f"{row.name}, seed {seed}: adapted in {classifier.seconds:.1f} s")
    table = table_of(row for one in evaluated for row in rows_of(suite, one.classifier, one.metrics))
    classifiers = [one.classifier for one in evaluated]
    tables = {
        "differences": _differences(suite, evaluated),
        "curves": _curves(evaluated, suite, store, directory, narrator),
        "movements": _movements(directory, [one for one in classifiers if one.seed == seeds[0]]),
    }
    if is_first():
        _write_results(directory, table, **tables)
        write_report(
            directory / "report.html",
            title=f"{suite.name} with {encoder.name}",
            rows=table,
            details=shown,
            facts=facts(suite, classifiers, features, options),
            notes=notes(suite, encoder, classifiers, left_out, select),
            **tables,
        )
    first = {one.method.name: one for one in reversed(classifiers)}
    return Comparison(table, dict(reversed(first.items())), suite, directory)


def _kept(examined: Examined, metrics: list[Metric]) -> _Evaluated:
    return _Evaluated(
        # A copy, without the adapted encoder that the original has built: memory must not grow by run.
        replace(examined.classifier),
        metrics,
        {name: said.right for name, said in examined.labelled().items()},
        {name: examined.said[name].confidence for name in ("test", *examined.suite.outliers)},
    )


def _differences(suite: Suite, evaluated: Sequence[_Evaluated]) -> pd.DataFrame:
    """Which methods differ by more than noise; see `measures.paired`."""
    groups: dict[str, list[_Evaluated]] = {}
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


def _curves(
    evaluated: Sequence[_Evaluated], suite: Suite, store: FeatureStore, directory: Path, narrator: Narrator
) -> pd.DataFrame:
    """Every blend at every strength."""
    blended = [e.classifier for e in evaluated if e.classifier.method.blend.name != "none"]
    each = [alpha_curve(c, suite, store, _run(directory, c.method, c.seed), narrator) for c in blended]
    return pd.concat([pd.DataFrame(columns=CURVE_COLUMNS), *each])


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
    directory: Path,
    table: pd.DataFrame,
    differences: pd.DataFrame,
    curves: pd.DataFrame,
    movements: pd.DataFrame,
) -> None:
    write_text(directory / "results.jsonl", _lines(table))
    write_text(directory / "results.csv", table.to_csv(index=False))
    write_text(directory / "differences.csv", differences.to_csv(index=False))
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
