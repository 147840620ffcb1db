"""`compare`: several methods, one suite, one encoder; results on disk and one page to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.classifier.runs import load, read_record
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.features import FeatureStore
from anchorline.engine.directories import Named
from anchorline.engine.distributed import from_main_process
from anchorline.engine.jobs import Step, do_all
from anchorline.engine.progress import Narrator, Silent
from anchorline.evaluation.base import Options
from anchorline.evaluation.outputs import Outputs, collect_outputs
from anchorline.methods.table import SHOWN, Method, find_method
from anchorline.metric import UNTOUCHED
from anchorline.metrics.bootstrap import Resamples
from anchorline.report.published import Published
from anchorline.suites.suite import Suite
from anchorline.tasks import comparison
from anchorline.tasks.claiming import claim_comparison, claim_jobs
from anchorline.tasks.classification.adapting import spares_training
from anchorline.tasks.classification.evaluating import untouched_classifier
from anchorline.tasks.classification.gathering import gather
from anchorline.tasks.classification.measuring import Measured, Measuring
from anchorline.tasks.classification.oracle import Select, chosen_by, learnt_suite
from anchorline.tasks.classification.run import Run
from anchorline.tasks.classification.writing import write
from anchorline.tasks.comparison import (
    Runs,
    checked_seeds,
    chosen_rows,
    found_runs,
    publish,
    run_directory,
    runs_in,
)
from anchorline.tasks.facts import faster, plan, told_of, unfit
from anchorline.tasks.readable import readable

Comparison: TypeAlias = comparison.Comparison[Suite, AdaptedClassifier]


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
    overwrite: bool = False,
    kind: str = "comparison of classification",
) -> Comparison:
    """Adapt the encoder by each method, once a seed, and evaluate all on the same images.

    The untouched encoder is always among them, and first: changes are measured against it. Methods that draw
    no random numbers run once. `select` "oracle" chooses on test and all shifts instead of val, to show what
    honest choice costs; such methods are named so. `options` asks for more to be measured,
    `published` figures stand beside ours in the report, and `kind` is what `out` becomes a directory of.

    Writes into `out`: results.jsonl, results.csv, differences.csv (every pair of methods), alpha.csv (each
    blend at every strength), movement.csv (how far each layer moved, of the lowest seed), published.csv (if
    there is any), report.html, and a run directory runs/METHOD/seed-SEED for each (see `load`). What is
    finished there is neither adapted nor measured again, and what was interrupted goes on; all finished runs
    of the same suite, encoder and options are shown, whoever asked for them. Calls of other processes with
    the same `out` share the work.

    Raises `UserError`, also where `out` holds a comparison of another suite or encoder, or a run of one of
    the methods with other settings, unless `overwrite` says to replace them.
    """
    narrator, store, options = narrator or Silent(), store or FeatureStore(), options or Options()
    options.columns_of_subsets(suite.classes)  # a mistake shows before the long work
    rows = [chosen_by(select, row) for row in chosen_rows(methods, find_method, [find_method(UNTOUCHED)])]
    names, seeds = [row.name for row in rows], checked_seeds(seeds)
    about = {"suite": Named(suite.name, suite.hash), "encoder": Named(encoder.name, encoder.hash)}
    directory = claim_comparison(Path(out), kind, about, overwrite)
    narrator.say(plan(suite, told_of(encoder), [*unfit(suite, encoder), *faster(suite, encoder)]))
    suite, seconds = readable(suite, encoder, store, directory, narrator)
    learnt = learnt_suite(select, suite)
    runs = _runs(encoder, suite, learnt, rows, seeds, store, directory, narrator, trackers)
    claim_jobs([run.job for run in runs], overwrite, narrator)
    found_runs(directory, names)  # known from now on, whoever gathers
    asked = Measured(suite, options, encoder)
    do_all(_steps(runs, asked, encoder, store, narrator), narrator)
    found = publish(
        directory,
        lambda: gather(directory, names, asked, encoder),
        lambda found: write(directory, found, asked, seconds, published),
        narrator.say,
    )
    classifiers = Runs(found.first, partial(load, encoder=encoder))
    return Comparison(found.rows, classifiers, suite, directory)


def _runs(
    encoder: Encoder, suite: Suite, chosen_on: Suite, rows: Sequence[Method], seeds: Sequence[int],
    store: FeatureStore, directory: Path, narrator: Narrator, trackers: tuple[str, ...],
) -> list[Run]:  # fmt: skip
    """A run a row and a seed; one that differs from an earlier one in its blend alone takes its training."""
    runs: list[Run] = []
    for row in rows:
        for seed in seeds if row.training else from_main_process(partial(_once, directory, row, seeds)):
            place = run_directory(directory, row.name, seed)
            adapted_to = chosen_on if row.objective else suite
            run = Run(encoder, adapted_to, row, seed, store, place, narrator, trackers)
            for one in runs:
                if one.seed == seed and not one.trained and spares_training(row, one.method):
                    run = replace(run, trained=one.classifier, needs=(one.job,))
                    break
            runs.append(run)
    return runs


def _once(directory: Path, row: Method, seeds: Sequence[int]) -> tuple[int, ...]:
    """The seed of a method that draws no random numbers: that of the run that is there already, if one is."""
    there = [seed for name, seed, _ in runs_in(directory, [row.name])]
    return ((there or seeds)[0],)


def _steps(
    runs: Sequence[Run], asked: Measured, encoder: Encoder, store: FeatureStore, narrator: Narrator
) -> list[Step]:
    """Adapting and measuring of each run, one run after the other."""

    @cache
    def untouched() -> Mapping[str, Outputs]:
        classifier = untouched_classifier(encoder, asked.suite.classes, store)
        return collect_outputs(classifier, asked.suite, store, narrator.bar)

    steps: list[Step] = []
    resamples = Resamples()
    for run in runs:
        before = None if run.method.name == UNTOUCHED else untouched
        measuring = Measuring(run, asked, before, store, resamples, narrator)
        of_run = [*run.steps(), *measuring.steps(from_main_process(partial(_is_shown, run, runs, asked)))]
        of_run[-1] = replace(of_run[-1], after=measuring.let_go)  # many adapted encoders do not fit
        steps += of_run
    return steps


def _is_shown(run: Run, runs: Sequence[Run], asked: Measured) -> bool:
    """Whether the page shows pictures of this run: of each method those of the lowest seed; numbers are
    means."""
    assert run.directory is not None
    lower = [
        read_record(place)
        for _, seed, place in runs_in(run.directory.parents[2], [run.method.name])
        if seed < run.seed
    ]
    there = any(asked.details(one.run, one.identity).finished() for one in lower if one)
    return not there and run.seed == min(one.seed for one in runs if one.method.name == run.method.name)
