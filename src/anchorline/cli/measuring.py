"""What the command line asks to be measured, read and checked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anchorline.cli.inputs import named_paths
from anchorline.cli.options import MeasureOptions
from anchorline.errors import UserError
from anchorline.evaluation.base import Options
from anchorline.metrics.robustness import ReferenceLine
from anchorline.suites.images.corruptions import parse_corruptions

SUBSET = "animals=animals.txt"  # an example


def read_options(given: MeasureOptions) -> Options:
    """Raises `UserError` for what cannot be read or understood."""
    if not 0 < given.keep <= 1:
        raise UserError(f"--keep {given.keep:g} is no share; give one above 0, at most 1")
    return Options(
        corruptions=tuple(parse_corruptions(given.corruption)),
        subsets={title: _names(file) for title, file in named_paths("subset", given.subset, SUBSET).items()},
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
