"""From what is typed to a suite, and to what is measured on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from anchorline.cli.options import MeasureOptions, SuiteOptions
from anchorline.engine.paths import expanded
from anchorline.errors import UserError, suggestion
from anchorline.evaluation.base import Options
from anchorline.metrics.robustness import ReferenceLine
from anchorline.suites import SUITES, Suite
from anchorline.suites.benchmarks import BENCHMARKS
from anchorline.suites.benchmarks.datasets.masked import MASKED
from anchorline.suites.images.corruptions import parse_corruptions

_SUBSET = "animals=animals.txt"  # an example of --subset


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
        found[name] = expanded(path)
    return found


def read_options(given: MeasureOptions) -> Options:
    """Raises `UserError` for what cannot be read or understood."""
    if not 0 < given.keep <= 1:
        raise UserError(f"--keep {given.keep:g} is no share; give one above 0, at most 1")
    return Options(
        corruptions=tuple(parse_corruptions(given.corruption)),
        subsets={title: _names(file) for title, file in named_paths("subset", given.subset, _SUBSET).items()},
        reference=_points(given.reference) if given.reference else (),
        patches=given.patches,
        keep=given.keep,
    )


def _names(file: Path) -> tuple[str, ...]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"cannot read {file} ({_reason(error)}); give a text file of class names, a line each"
        ) from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise UserError(f"{file} names no class; write class names, a line each")
    return names


def _points(file: Path) -> tuple[tuple[float, float], ...]:
    columns = ["id_accuracy", "shift_accuracy"]
    try:
        # Without index_col, a delimiter at the end of each line would move the columns.
        table = pd.read_csv(file, index_col=False)[columns].astype(float) / 100
        points = tuple((float(x), float(y)) for x, y in table.to_numpy())
        if not all(0 <= share <= 1 for point in points for share in point):
            raise ValueError("an accuracy is not between 0 and 100")
        ReferenceLine.fit(points)
    except (OSError, ValueError, KeyError, pd.errors.ParserError) as error:
        raise UserError(
            f"cannot use {file} as reference models ({_reason(error)}); give a CSV with the columns "
            f"{' and '.join(columns)} in percent, and two models or more"
        ) from error
    return points


def _reason(error: Exception) -> str:
    """In one line: the parser's ends one, and the system's begins with a number."""
    told = error.strerror if isinstance(error, OSError) else None
    return " ".join((told or str(error)).split())
