"""A small search: every combination of the values that a row of a table tries, and the best on val."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any, TypeVar

from anchorline.choices import put
from anchorline.errors import DivergedError
from anchorline.merit import Merit

Row = TypeVar("Row", bound=Any)  # has `search`, and the fields that it names
Trial = TypeVar("Trial")
Result = TypeVar("Result")


def trials(row: Row) -> Iterator[tuple[dict[str, Any], Row]]:
    """Every combination of the values to try, by path ("training.lr"), with the row that has them."""
    paths = [path for path, _ in row.search]
    for values in product(*(options for _, options in row.search)):
        trial = row
        for path, value in zip(paths, values, strict=True):
            trial = put(trial, path, value)
        yield dict(zip(paths, values, strict=True)), trial


def best_of(tried: Iterable[Trial], result: Callable[[Trial], tuple[Merit, Result]]) -> Result:
    """The result with the highest merit; ties go to the first.

    A trial that diverges is lost, and the others may do well. Raises the last `DivergedError` if all do.
    """
    best: tuple[Merit, Result] | None = None
    failed: DivergedError | None = None
    for trial in tried:
        try:
            found = result(trial)
        except DivergedError as error:
            failed = error
            continue
        if best is None or found[0] > best[0]:
            best = found
    if best is None:
        assert failed is not None
        raise failed
    return best[1]
