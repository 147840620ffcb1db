"""`compare`: several methods, one suite, one encoder; results on disk and one page to look at."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anchorline.adapting import adapt
from anchorline.classifier import AdaptedClassifier
from anchorline.encoder import Encoder
from anchorline.errors import UserError
from anchorline.evaluating import rows_of, table_of
from anchorline.evaluation import Metric, Outcome, changes, measure, outcomes
from anchorline.facts import facts, notes, plan
from anchorline.features import Features, FeatureStore, suite_features
from anchorline.memory import peak_memory, reset_peak
from anchorline.methods import METHODS, UNTOUCHED, find_method
from anchorline.progress import Narrator, Silent
from anchorline.report import write_report
from anchorline.showing import details
from anchorline.suites.suite import Suite


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found.

    Attributes:
        rows: one row a number; the columns are those of results.csv.
        classifiers: by method name.
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
        """A row a method: the three axes, their mean, the changes and the cost."""
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
    methods: Sequence[str] = tuple(METHODS),
    out: str | Path = "runs/compare",
    *,
    seed: int = 0,
    store: FeatureStore | None = None,
    narrator: Narrator | None = None,
) -> Comparison:
    """Adapt the encoder by each method and evaluate all on the same images.

    The untouched encoder is always among them, and first: changes are measured against it.
    Writes into `out`: results.jsonl, results.csv, report.html, and runs/METHOD for each method
    (see `AdaptedClassifier.save`). Each image passes through the encoder once; what comes out is
    kept, so that the same again takes seconds. Raises `UserError`.
    """
    narrator, store = narrator or Silent(), store or FeatureStore()
    names = list(dict.fromkeys([UNTOUCHED, *(find_method(name).name for name in methods)]))
    directory = _writable(Path(out))
    narrator.say(plan(suite, encoder))
    suite, features = suite_features(store, encoder, suite, lambda name: narrator.bar(name))
    evaluated: list[_Evaluated] = []
    for name in names:
        evaluated.append(
            _one(encoder, suite, name, seed, store, features, evaluated[0] if evaluated else None)
        )
        classifier = evaluated[-1].classifier
        classifier.save(directory / "runs" / name)
        narrator.say(f"{name}: adapted in {classifier.seconds:.1f} s")
    rows = table_of(row for one in evaluated for row in rows_of(suite, one.classifier, one.metrics))
    rows.to_json(directory / "results.jsonl", orient="records", lines=True, force_ascii=False)
    rows.to_csv(directory / "results.csv", index=False)
    for one in evaluated:
        own = rows[rows.method == one.classifier.method.name]
        file = directory / "runs" / one.classifier.method.name / "metrics.jsonl"
        own.to_json(file, orient="records", lines=True, force_ascii=False)
    write_report(
        directory / "report.html",
        title=f"{suite.name} with {encoder.name}",
        rows=rows,
        details=[details(one.classifier, suite, one.said) for one in evaluated],
        facts=facts(suite, [one.classifier for one in evaluated], features),
        notes=notes(suite, encoder),
    )
    return Comparison(rows, {e.classifier.method.name: e.classifier for e in evaluated}, suite, directory)


def _one(
    encoder: Encoder,
    suite: Suite,
    name: str,
    seed: int,
    store: FeatureStore,
    features: Mapping[str, Features],
    untouched: _Evaluated | None,
) -> _Evaluated:
    reset_peak(encoder.device)
    classifier = adapt(encoder, suite, name, seed, store)
    said = outcomes(classifier, suite, features)
    metrics = list(measure(classifier, suite, said))
    metrics += changes(metrics, untouched.metrics if untouched else metrics)
    metrics.append(Metric("", "summary", "peak_memory", peak_memory(encoder.device), unit="MiB"))
    return _Evaluated(classifier, said, metrics)


def _writable(directory: Path) -> Path:
    try:
        (directory / "runs").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError as error:
        raise UserError(
            f"cannot write results into {directory} ({error.strerror}); give another directory with --out"
        ) from error
