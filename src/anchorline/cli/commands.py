"""What the commands that load an encoder do: compare, adapt, predict, evaluate."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from rich.console import Console

import anchorline.adapting
import anchorline.comparing
import anchorline.evaluating
from anchorline import predicting
from anchorline.choices import override, validate
from anchorline.cli import Adapt, Compare, Evaluate, Predict, SuiteOptions, named_folders, suggestion
from anchorline.errors import NoSuchFieldError, UserError
from anchorline.features import FeatureStore, suite_features
from anchorline.loading import load_encoder
from anchorline.measuring import read_options
from anchorline.methods import METHODS, SHOWN, Method, find_method
from anchorline.predicting import Prediction, found_images
from anchorline.processes import is_first
from anchorline.progress import Narrator, Silent, terminal
from anchorline.runs import load
from anchorline.suites import SUITES, Suite
from anchorline.tables import sets_table, summary_table


def read_suite(options: SuiteOptions, measured: bool = True) -> Suite:
    """The suite that the options name; folders need no test if nothing is `measured`. Raises `UserError`."""
    folders = options.train or options.val or options.test or options.shift or options.outlier
    if options.near and not folders:
        raise UserError('--near is for folders; in a suite.toml write near = ["NAME"]')
    if options.suite and folders:
        raise UserError("--suite and folders (--train, --test …) exclude each other; give one of them")
    if options.suite.endswith(".toml"):
        suite = Suite.from_toml(options.suite)
        return replace(suite, bad_images=options.bad_images or suite.bad_images)
    if not folders:
        name = options.suite or "pictograms"
        if name not in SUITES:
            raise UserError(
                f"unknown suite {name!r}{suggestion(name, list(SUITES))}; the bundled ones are "
                f"{', '.join(SUITES)}, or give a suite.toml"
            )
        return SUITES[name]()
    if options.train is None:
        raise UserError("folders are given but --train is not; say where the images to learn from are")
    return Suite.from_folders(
        options.train,
        options.test if measured else options.test or options.train,
        options.val,
        named_folders("shift", options.shift),
        named_folders("outlier", options.outlier),
        options.bad_images or "error",
        near=options.near,
    )


def compare(command: Compare) -> None:
    begun = time.perf_counter()
    rows = _rows(command.method or SHOWN, _settings(command))  # before anything long
    options = read_options(command.measure)
    suite = read_suite(command.data)
    with _narrator() as narrator:
        narrator.say(f"loading {command.encoder} …")
        comparison = anchorline.comparing.compare(
            suite,
            load_encoder(command.encoder, command.device or None),
            rows,
            command.out,
            seeds=tuple(dict.fromkeys(command.seeds)),
            select=command.select,
            options=options,
            store=_store(command.memory_limit),
            narrator=narrator,
            trackers=command.track,
        )
    console = _console()
    console.print(summary_table(comparison.rows))
    for note in comparison.suite.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    console.print(
        f"{time.perf_counter() - begun:.0f} s in all. Report: {comparison.report.resolve()}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def adapt(command: Adapt) -> None:
    (row,) = _rows((command.method,), _settings(command), strict=True)
    suite = read_suite(command.data, measured=False)
    store = _store(command.memory_limit)
    out = command.out or Path("runs/adapt") / row.name / f"seed-{command.seed}"
    with _narrator() as narrator:
        narrator.say(f"loading {command.encoder} …")
        encoder = load_encoder(command.encoder, command.device or None)
        suite, _ = suite_features(
            store, encoder, suite, narrator.bar, (*suite.shifts, *suite.outliers, "test")
        )
        classifier = anchorline.adapting.adapt(
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
    _console().print(
        f"{row.name}: {classifier.parameters:,} parameters trained in {classifier.seconds:.1f} s"
        f"{f'; chosen on val: {chosen}' if chosen else ''}. Run: {out.resolve()}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def predict(command: Predict) -> None:
    encoder = load_encoder(command.encoder, command.device or None) if command.encoder else None
    classifier = load(command.run, encoder, command.device or None)
    if not command.images:
        raise UserError('no images are given; name files, folders or patterns, or "-" for standard input')
    names = (name for given in command.images for name in (_lines() if given == "-" else [given]))
    images = found_images(names)
    skipped: list[str] = []
    csv_lines = csv.writer(sys.stdout, lineterminator="\n")
    if command.format == "csv":
        csv_lines.writerow([field.name for field in dataclasses.fields(Prediction)])
    for one in predicting.predict(classifier, images, command.bad_images, skipped):
        if command.format == "csv":
            csv_lines.writerow(
                [one.path, one.label, one.nearest, f"{one.probability:.6f}", f"{one.ood_score:.6f}"]
            )
        else:
            print(json.dumps(dataclasses.asdict(one), ensure_ascii=False))
    for sentence in skipped:
        warnings.warn(f"left out: {sentence}", stacklevel=1)


def _lines() -> Iterator[str]:
    return (line.rstrip("\n") for line in sys.stdin if line.strip())


def _settings(command: Adapt | Compare) -> list[str]:
    return [*([f"constraint={command.constraint}"] if command.constraint else []), *command.set]


def _rows(names: Sequence[str], settings: Sequence[str], strict: bool = False) -> list[Method]:
    """The rows of those names with the settings put in. A setting that fits none of them is an error; with
    `strict`, one that does not fit all."""
    values: dict[str, str] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: expected FIELD=VALUE, for example --set training.epochs=5")
        values[path] = value
    rows = [find_method(name) for name in (METHODS if "all" in names else names)]
    changed = []
    complaints: dict[str, list[NoSuchFieldError]] = {path: [] for path in values}
    for row in rows:
        for path, value in sorted(values.items(), key=lambda item: item[0].count(".")):  # whole parts first
            try:
                row = override(row, {path: value})
            except NoSuchFieldError as error:
                complaints[path].append(error)
        validate(row)
        changed.append(row)
    for errors in complaints.values():
        if errors and (strict or len(errors) == len(rows)):
            raise errors[0]
    return changed


def _narrator() -> AbstractContextManager[Narrator]:
    return terminal() if is_first() else nullcontext(Silent())


def _console() -> Console:
    # Names of folders are text: ":cat:" and "[b]" stay what they are.
    return Console(emoji=False, quiet=not is_first())


def _store(memory_limit: float) -> FeatureStore:
    return FeatureStore(memory_limit=int(memory_limit * 2**30))


def evaluate(command: Evaluate) -> None:
    if not command.run:
        raise UserError(
            "no run is given; name directories such as OUT/runs/METHOD/seed-0 of an earlier 'compare'"
        )
    measured = read_options(command.measure)
    encoder = load_encoder(command.encoder, command.device or None) if command.encoder else None
    for run in command.run:
        classifier = load(run, encoder, command.device or None)
        suite = _suite_for(command.data, classifier.classes)
        with terminal() as narrator:
            rows = anchorline.evaluating.evaluate(classifier, suite, options=measured, narrator=narrator)
        Console(emoji=False).print(sets_table(f"{classifier.method.name} on {suite.name}", rows))


def _suite_for(options: SuiteOptions, classes: tuple[str, ...]) -> Suite:
    """The suite that the options name; folders need no train here, since the classes are known."""
    if options.val and not options.train:
        raise UserError("--val is for choosing while adapting, and 'evaluate' only measures; leave it out")
    if options.suite or options.train or not (options.test or options.shift or options.outlier):
        return read_suite(options)
    return Suite.for_classes(
        classes,
        options.test,
        named_folders("shift", options.shift),
        named_folders("outlier", options.outlier),
        options.bad_images or "error",
        near=options.near,
    )
