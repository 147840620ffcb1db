"""`compare`: several methods through the same sequences of tasks; results on disk and one page to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anchorline.encoders.encoder import Encoder
from anchorline.encoders.features import FeatureStore
from anchorline.engine.directories import Named
from anchorline.engine.jobs import do_all
from anchorline.engine.progress import Narrator, Silent
from anchorline.errors import UserError
from anchorline.metric import UNTOUCHED
from anchorline.report.published import Published, beside, write_published
from anchorline.suites.suite import Suite
from anchorline.tasks.claiming import claim_comparison, claim_jobs
from anchorline.tasks.comparison import (
    Comparison,
    checked_seeds,
    chosen_rows,
    found_runs,
    publish,
    run_directory,
    write_tables,
)
from anchorline.tasks.continual.gathering import Gathered, gather
from anchorline.tasks.continual.learning import Setting
from anchorline.tasks.continual.methods import METHODS, ContinualMethod, check, find_continual
from anchorline.tasks.continual.page import write_report
from anchorline.tasks.continual.run import Run
from anchorline.tasks.continual.runs import Learnt
from anchorline.tasks.continual.sequence import draw_sequence
from anchorline.tasks.facts import faster, plan, told_of, unfit
from anchorline.tasks.readable import readable


@dataclass(frozen=True, eq=False)
class ContinualComparison(Comparison[Suite, Learnt]):
    """What `compare` found; `rows` have a column `task`: after which one.

    Attributes:
        matrix: R, as in matrix.csv: method, seed, after_task, task, accuracy in percent.
        learnt: every method and seed.
    """

    matrix: pd.DataFrame
    learnt: list[Learnt]


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
    overwrite: bool = False,
) -> ContinualComparison:
    """Learn the classes of a suite in `tasks` disjoint tasks by each method (all of the table where none is
    named), once a seed, which draws the order of the classes; measure all after each task.

    The untouched encoder is always among them, and first: changes are against it, on the same classes.
    `rehearsal` is the number of training images that may be kept in all (see `sequence.stored`).
    `published` figures stand beside ours after the last task, in the report and in published.csv.

    Writes into `out`: results.jsonl, results.csv, matrix.csv, report.html, and a run directory
    runs/METHOD/seed-SEED for each (see `learn_sequence`); the same call goes on from what is there, and shows
    all finished runs of the same suite, encoder, number of tasks and rehearsal, whoever asked for them. Calls
    of other processes with the same `out` share the work.

    Raises `UserError`, also where `out` holds a comparison of another suite or encoder, or a run of one of
    the methods with other settings, unless `overwrite` says to replace them.
    """
    narrator, store = narrator or Silent(), store or FeatureStore()
    rows = chosen_rows(methods or METHODS.values(), find_continual, [METHODS[UNTOUCHED]])
    if rehearsal < 0:
        raise UserError(f"a buffer of {rehearsal} images was asked for; give --rehearsal from 0")
    seeds = checked_seeds(seeds)
    for row in rows:
        check(row)
    for seed in seeds:
        draw_sequence(suite, tasks, seed)  # mistakes show early
    about = {"suite": Named(suite.name, suite.hash), "encoder": Named(encoder.name, encoder.hash)}
    directory = claim_comparison(Path(out), "comparison of continual learning", about, overwrite)
    narrator.say(plan(suite, told_of(encoder), [*unfit(suite, encoder), *faster(suite, encoder)]))
    suite, _ = readable(suite, encoder, store, directory, narrator)
    settings = [
        Setting(encoder, draw_sequence(suite, tasks, seed), rehearsal, store, narrator) for seed in seeds
    ]
    runs = [
        Run(setting, row, run_directory(directory, row.name, setting.sequence.seed))
        for setting in settings
        for row in rows
    ]
    claim_jobs([run.job for run in runs], overwrite, narrator)
    names = [row.name for row in rows]
    found_runs(directory, names)  # known from now on, whoever gathers
    do_all([step for run in runs for step in run.steps()], narrator)
    found = publish(
        directory,
        lambda: gather(directory, names, suite, encoder, tasks, rehearsal),
        lambda found: _write(directory, found, suite, encoder, rehearsal, published),
        narrator.say,
    )
    return ContinualComparison(found.rows, found.first, suite, directory, found.matrix, found.learnt)


def _write(
    directory: Path, found: Gathered, suite: Suite, encoder: Encoder, rehearsal: int,
    published: Sequence[Published],
) -> None:  # fmt: skip
    papers = beside(found.rows[found.rows.task == found.rows.task.max()], published)
    write_tables(directory, found.rows, matrix=found.matrix)
    write_published(directory, papers)
    page = directory / "report.html"
    write_report(page, found.rows, found.matrix, found.learnt, suite, encoder, rehearsal, papers)
