"""What the commands that load an encoder do: compare, adapt, evaluate."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd

from anchorline.classifier.runs import load
from anchorline.cli import shared
from anchorline.cli.arguments import Adapt, Compare, Evaluate
from anchorline.cli.inputs import read_suite, suite_for
from anchorline.cli.measuring import read_options
from anchorline.cli.shared import rows_of, settings_of, store_of
from anchorline.cli.tables import sets_table, summary_table
from anchorline.encoders.features import suite_features
from anchorline.encoders.loading import load_encoder
from anchorline.engine.distributed import is_main_process
from anchorline.engine.storage import write_text
from anchorline.errors import UserError
from anchorline.methods.table import SHOWN
from anchorline.tasks.classification import adapting, comparing, evaluating
from anchorline.tasks.classification.facts import unfit


def _settings(command: Adapt | Compare) -> dict[str, str]:
    constraint = [f"constraint={command.constraint}"] if command.constraint else []
    return settings_of([*constraint, *command.set])


def compare(command: Compare) -> None:
    begun = time.perf_counter()
    rows = rows_of(command.method or SHOWN, _settings(command))  # before anything long
    options = read_options(command.measure)
    suite = read_suite(command.data)
    with shared.narrator() as narrator:
        narrator.say(f"loading {command.encoder} …")
        comparison = comparing.compare(
            suite,
            load_encoder(command.encoder, command.device or None),
            rows,
            command.out,
            seeds=shared.seeds_of(command.seeds),
            select=command.select,
            options=options,
            store=store_of(command.memory_limit),
            narrator=narrator,
            trackers=command.track,
        )
    console = shared.console()
    console.print(summary_table(comparison.rows))
    for note in comparison.suite.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    console.print(
        f"{time.perf_counter() - begun:.0f} s in all. Report: {comparison.report.resolve()}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def adapt(command: Adapt) -> None:
    (row,) = rows_of((command.method,), _settings(command), strict=True)
    suite = read_suite(command.data, measured=False)
    store = store_of(command.memory_limit)
    out = command.out or Path("runs/adapt") / row.name / f"seed-{command.seed}"
    with shared.narrator() as narrator:
        narrator.say(f"loading {command.encoder} …")
        encoder = load_encoder(command.encoder, command.device or None)
        for note in unfit(suite, encoder):
            narrator.say(f"note: {note}")
        suite, _ = suite_features(
            store, encoder, suite, narrator.bar, (*suite.shifts, *suite.outliers, "test")
        )
        classifier = adapting.adapt(
            encoder,
            suite,
            row,
            command.seed,
            store,
            run=out,
            narrator=narrator,
            trackers=command.track,
        )
    chosen = ", ".join(f"{name} {value:g}" for name, value in classifier.chosen.items())
    shared.console().print(
        f"{row.name}: {classifier.parameters:,} parameters trained in {classifier.seconds:.1f} s"
        f"{f'; chosen on val: {chosen}' if chosen else ''}. Run: {out.resolve()}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def evaluate(command: Evaluate) -> None:
    if not command.run:
        raise UserError(
            "no run is given; name directories such as OUT/runs/METHOD/seed-0 of an earlier 'compare'"
        )
    measured = read_options(command.measure)
    encoder = load_encoder(command.encoder, command.device or None) if command.encoder else None
    tables = []
    for run in command.run:
        classifier = load(run, encoder, command.device or None)
        suite = suite_for(command.data, classifier.classes)
        with shared.narrator() as narrator:
            rows = evaluating.evaluate(classifier, suite, options=measured, narrator=narrator)
        tables.append(rows)
        shared.console().print(sets_table(f"{classifier.method.name} on {suite.name}", rows))
    if command.out and is_main_process():
        write_text(command.out, pd.concat(tables).to_csv(index=False))
