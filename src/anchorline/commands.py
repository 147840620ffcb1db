"""What the commands `compare` and `evaluate` do."""

from __future__ import annotations

import time
from dataclasses import replace

from rich.console import Console

import anchorline.comparing
import anchorline.evaluating
from anchorline.classifier import load
from anchorline.cli import Compare, Evaluate, SuiteOptions, named_folders, suggestion
from anchorline.errors import UserError
from anchorline.features import FeatureStore
from anchorline.loading import load_encoder
from anchorline.methods import find_method
from anchorline.progress import terminal
from anchorline.suites import SUITES, Suite
from anchorline.tables import sets_table, summary_table


def read_suite(options: SuiteOptions) -> Suite:
    """The suite that the options name. Raises `UserError`."""
    folders = options.train or options.val or options.test or options.shift or options.outlier
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
        options.test,
        options.val,
        named_folders("shift", options.shift),
        named_folders("outlier", options.outlier),
        options.bad_images or "error",
    )


def compare(command: Compare) -> None:
    begun = time.perf_counter()
    for name in command.method:
        find_method(name)  # before anything long
    suite = read_suite(command.data)
    with terminal() as narrator:
        narrator.say(f"loading {command.encoder} …")
        comparison = anchorline.comparing.compare(
            suite,
            load_encoder(command.encoder, command.device or None),
            command.method,
            command.out,
            store=FeatureStore(memory_limit=int(command.memory_limit * 2**30)),
            narrator=narrator,
        )
    console = Console(emoji=False)  # names of folders are text: ":cat:" and "[b]" stay what they are
    console.print(summary_table(comparison.rows))
    for note in comparison.suite.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    console.print(
        f"{time.perf_counter() - begun:.0f} s in all. Report: {comparison.report.resolve()}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def evaluate(command: Evaluate) -> None:
    if not command.run:
        raise UserError("no run is given; name run directories, OUT/runs/METHOD of an earlier 'compare'")
    encoder = load_encoder(command.encoder, command.device or None) if command.encoder else None
    for run in command.run:
        classifier = load(run, encoder, command.device or None)
        suite = _suite_for(command.data, classifier.classes)
        with terminal() as narrator:
            rows = anchorline.evaluating.evaluate(classifier, suite, narrator=narrator)
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
    )
