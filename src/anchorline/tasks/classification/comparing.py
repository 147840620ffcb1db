"""`compare`: several methods, one suite, one encoder; results on disk and one page to look at."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.features import FeatureStore, suite_features
from anchorline.engine.distributed import is_main_process
from anchorline.engine.progress import Narrator, Silent
from anchorline.errors import UserError
from anchorline.evaluation.base import Options
from anchorline.evaluation.collect import collect
from anchorline.evaluation.evaluators.corruption import corruption
from anchorline.evaluation.evaluators.summary import changes
from anchorline.evaluation.evaluators.table import measure
from anchorline.evaluation.outputs import Outputs
from anchorline.methods.table import SHOWN, Method, find_method
from anchorline.metric import AXES, UNTOUCHED, table_of
from anchorline.metrics.bootstrap import Resamples
from anchorline.report import MethodDetails, write_report
from anchorline.report.published import Published, beside, write_published
from anchorline.suites.leakage import duplicates, notes_on
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.adapting import adapt
from anchorline.tasks.classification.details import details
from anchorline.tasks.classification.evaluating import origin_of
from anchorline.tasks.classification.facts import facts, guarantee, notes, plan
from anchorline.tasks.classification.oracle import Select, chosen_by, learnt_suite
from anchorline.tasks.classification.tables import (
    Evaluated,
    curves_of,
    differences_of,
    kept,
    movements_of,
    run_directory,
    write_results,
)


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
        """A row a method, means over seeds: the axes that were measured, then cost and changes."""
        summary = self.rows[self.rows.role == "summary"]
        means = summary.pivot_table(index="method", columns="metric", values="value", sort=False)
        first = [name for name in (*AXES, "mean") if name in means]
        return means[[*first, *means.columns.difference(first, sort=False)]]


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
    published: Sequence[Published] = (),
) -> Comparison:
    """Adapt the encoder by each method, once a seed, and evaluate all on the same images.

    The untouched encoder is always among them, and first: changes are measured against it. Methods that draw
    no random numbers run once. `select` "oracle" chooses on test and all shifts instead of val, to show what
    honest choice costs; such methods are named so. `options` asks for more to be measured,
    and `published` figures stand beside ours in the report.

    Writes into `out`: results.jsonl, results.csv, differences.csv (every pair of methods), alpha.csv (each
    blend at every strength), movement.csv (how far each layer moved, of the first seed), published.csv (if
    there is any), report.html, and a run directory runs/METHOD/seed-SEED for each (see `load`). What is
    finished there is not run again, and what was interrupted goes on. Each image passes through each encoder
    once; what comes out is kept, so that the same again takes seconds. Raises `UserError`.
    """
    narrator, store, options = narrator or Silent(), store or FeatureStore(), options or Options()
    options.columns_of_subsets(suite.classes)  # a mistake shows before the long work
    if not seeds:
        raise UserError("no seed is given; give --seeds at least one")
    rows = [find_method(m) if isinstance(m, str) else m for m in (UNTOUCHED, *methods)]
    rows = [chosen_by(select, row) for row in {row.name: row for row in rows}.values()]
    directory = writable(Path(out))
    narrator.say(plan(suite, encoder))
    suite, features = suite_features(store, encoder, suite, narrator.bar)
    doubles = duplicates(suite, lambda images: store.fingerprints(encoder.geometry, images))
    suite = replace(suite, notes=(*suite.notes, *notes_on(doubles)))
    adapted_to = learnt_suite(select, suite)
    resamples = Resamples()
    evaluated: list[Evaluated] = []
    shown: list[MethodDetails] = []
    left_out: dict[tuple[str, str], list[str]] = {}  # detector and reason: methods
    before: Mapping[str, Outputs] | None = None
    for row in rows:
        for seed in seeds if row.training else seeds[:1]:
            classifier = adapt(
                encoder, adapted_to if row.objective else suite, row, seed, store,
                run=run_directory(directory, row, seed), narrator=narrator, trackers=trackers,
                reuse=[e.classifier for e in evaluated], overwrite=True,
            )  # fmt: skip
            evaluation, missing = collect(
                classifier, suite, store,
                untouched=before, options=options, resamples=resamples, progress=narrator.bar,
            )  # fmt: skip
            for missed in missing.items():
                left_out.setdefault(missed, []).append(row.name)
            metrics = measure(evaluation)
            metrics += corruption(
                classifier, suite, options.corruptions, store, lambda title: narrator.bar(title, "sets")
            )
            metrics += changes(metrics, evaluated[0].metrics if evaluated else metrics)
            if before is None:
                before = evaluation.outputs
            if seed == seeds[0]:  # pictures and mistakes are those of the first seed; numbers are means
                shown.append(details(evaluation))
            evaluated.append(kept(evaluation, metrics))
            narrator.say(f"{row.name}, seed {seed}: adapted in {classifier.seconds:.1f} s")
    table = table_of(row for one in evaluated for row in origin_of(suite, one.classifier).rows(one.metrics))
    classifiers = [one.classifier for one in evaluated]
    narrator.say("testing which differences are larger than noise …")
    tables = {
        "differences": differences_of(suite, evaluated),
        "curves": curves_of(evaluated, suite, store, directory, narrator),
        "movements": movements_of(directory, [one for one in classifiers if one.seed == seeds[0]]),
    }
    if is_main_process():
        papers = beside(table, published)
        write_results(directory, table, **tables)
        write_published(directory, papers)
        write_report(
            directory / "report.html",
            title=f"{suite.name} with {encoder.name}",
            rows=table,
            details=shown,
            facts=facts(suite, classifiers, features, options, select),
            notes=notes(suite, encoder, classifiers, left_out, select),
            guarantee=guarantee(suite, options),
            published=papers,
            **tables,
        )
    first = {one.method.name: one for one in reversed(classifiers)}
    return Comparison(table, dict(reversed(first.items())), suite, directory)


def writable(directory: Path) -> Path:
    """The directory of a comparison, made where it is missing. Raises `UserError` if it cannot be written."""
    try:
        (directory / "runs").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError as error:
        raise UserError(
            f"cannot write results into {directory} ({error.strerror}); give another directory with --out"
        ) from error
