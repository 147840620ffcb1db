"""What the commands do that ask questions of methods or of finished comparisons: ablate, map, report."""

from __future__ import annotations

from pathlib import Path

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.cli import shared
from anchorline.cli.arguments import Ablate, Map, Report
from anchorline.cli.inputs import read_suite
from anchorline.cli.shared import rows_of, settings_of, store_of
from anchorline.encoders.features import suite_features
from anchorline.encoders.loading import load_encoder
from anchorline.errors import UserError
from anchorline.experiments.ablation import ablating
from anchorline.experiments.maps import mapping
from anchorline.report import merge, write_report
from anchorline.tasks.classification.adapting import adapt


def ablate(command: Ablate) -> None:
    settings = settings_of(command.set)
    suite = read_suite(command.data)
    with shared.narrator() as narrator:
        narrator.say(f"loading {command.encoder} …")
        found = ablating.ablate(
            suite,
            load_encoder(command.encoder, command.device or None),
            command.name,
            command.out or Path("runs/ablate") / command.name,
            seeds=shared.seeds_of(command.seeds),
            store=store_of(command.memory_limit),
            narrator=narrator,
            method=command.method or None,
            settings=settings,
        )
    _told("Page", found.page)


def draw_map(command: Map) -> None:
    rows = rows_of(command.method or mapping.METHODS, settings_of(command.set))
    suite = read_suite(command.data)
    if not suite.shifts:  # before anything long
        raise UserError("a map shows shifted images, and there are none; name a set with --shift NAME=DIR")
    store = store_of(command.memory_limit)
    with shared.narrator() as narrator:
        narrator.say(f"loading {command.encoder} …")
        encoder = load_encoder(command.encoder, command.device or None)
        suite, _ = suite_features(store, encoder, suite, narrator.bar, (*suite.outliers, "test"))
        classifiers: list[AdaptedClassifier] = []
        for row in rows:
            run = command.out / "runs" / row.name / f"seed-{command.seed}"
            classifiers.append(
                adapt(
                    encoder, suite, row, command.seed, store,
                    run=run, narrator=narrator, reuse=classifiers, overwrite=True,
                )
            )  # fmt: skip
        found = mapping.draw_map(
            classifiers,
            suite,
            store,
            command.out,
            images=command.images,
            seed=command.seed,
            narrator=narrator,
        )
    _told("Page", found.page)


def report(command: Report) -> None:
    if not command.run:
        raise UserError(
            "no comparison is given; name directories that 'anchorline compare' wrote (its --out)"
        )
    try:
        merged = merge(command.run)
    except ValueError as error:
        raise UserError(str(error)) from error
    first = merged.rows.iloc[0]
    try:
        command.out.parent.mkdir(parents=True, exist_ok=True)
        write_report(
            command.out,
            title=f"{first.suite} with {first.encoder}",
            rows=merged.rows,
            curves=merged.curves,
            movements=merged.movements,
            differences=merged.differences,
            published=merged.published,
            facts=merged.facts,
            notes=merged.notes,
        )
    except OSError as error:
        raise UserError(f"cannot write {command.out} ({error}); give another file with --out") from error
    _told("Report", command.out)


def _told(what: str, page: Path) -> None:
    shared.console().print(f"{what}: {page.resolve()}", markup=False, highlight=False, soft_wrap=True)
