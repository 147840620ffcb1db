"""From what is typed to a suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from anchorline.cli.options import SuiteOptions
from anchorline.errors import UserError, suggestion
from anchorline.suites import SUITES, Suite
from anchorline.suites.benchmarks import BENCHMARKS
from anchorline.suites.benchmarks.datasets.masked import MASKED


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
        return _named(options.suite or "pictograms", options)
    if options.train is None:
        raise UserError("folders are given but --train is not; say where the images to learn from are")
    return Suite.from_folders(
        options.train,
        options.test if measured else options.test or options.train,
        options.val,
        named_paths("shift", options.shift),
        named_paths("outlier", options.outlier),
        options.bad_images or "error",
        near=options.near,
    )


def _named(name: str, options: SuiteOptions) -> Suite:
    if name in SUITES:
        if options.root:
            raise UserError(f"--root {options.root}: {name} is in the package; leave --root out")
        return SUITES[name]()
    if name in MASKED:
        raise UserError(
            f"{name} has a class for each pixel; use 'anchorline segment --suite {name} --root DIR'"
        )
    if name not in BENCHMARKS:
        raise UserError(
            f"unknown suite {name!r}{suggestion(name, [*SUITES, *BENCHMARKS])}; in the package are "
            f"{', '.join(SUITES)}, known on disk are {', '.join(BENCHMARKS)}, or give a suite.toml"
        )
    if options.root is None:
        raise UserError(f"--suite {name} is read from disk; say with --root DIR where it lies")
    return BENCHMARKS[name].read(options.root, bad_images=options.bad_images or "error")


def suite_for(options: SuiteOptions, classes: tuple[str, ...]) -> Suite:
    """The suite that the options name; folders need no train here, since the classes are known."""
    if options.val and not options.train:
        raise UserError("--val is for choosing while adapting, and 'evaluate' only measures; leave it out")
    if options.suite or options.train:
        return read_suite(options)
    if not (options.test or options.shift or options.outlier):
        bundled = read_suite(options)
        if bundled.classes != classes:
            raise UserError(
                f"no images are given, and the run knows other classes than the bundled {bundled.name}; "
                "say with --test where the images lie"
            )
        return bundled
    return Suite.for_classes(
        classes,
        options.test,
        named_paths("shift", options.shift),
        named_paths("outlier", options.outlier),
        options.bad_images or "error",
        near=options.near,
    )


def named_paths(flag: str, values: Sequence[str], example: str = "sketches=data/sketches") -> dict[str, Path]:
    """["a=path", …] -> {"a": Path("path"), …}. Raises `UserError`."""
    found: dict[str, Path] = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not (name and equals and path):
            raise UserError(f"--{flag} {value}: expected NAME=PATH, for example --{flag} {example}")
        if name in found:
            raise UserError(f"--{flag}: the name {name!r} is given twice; give each set its own")
        found[name] = Path(path)
    return found
