"""Model selection: the values that a row of a table tries, and what val says of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any, TypeVar

import torch.nn.functional as F
from torch import Tensor

from anchorline.errors import DivergedError

Row = TypeVar("Row", bound=Any)  # has `search`, and the fields that it names
Trial = TypeVar("Trial")
Result = TypeVar("Result")

ValScore = tuple[float, float]
LOWEST: ValScore = (-1.0, float("-inf"))  # below all others


def val_score(logits: Tensor, labels: Tensor) -> ValScore:
    """Accuracy in [0, 1] and, for ties, minus the cross-entropy, of logits [N, C] and labels int64 [N]."""
    accuracy = float((logits.argmax(1) == labels).float().mean())
    return accuracy, -float(F.cross_entropy(logits, labels))


def trials(row: Row) -> Iterator[tuple[dict[str, Any], Row]]:
    """Every combination of the values to try, by path ("training.lr"), with the row that has them."""
    paths = [path for path, _ in row.search]
    for values in product(*(options for _, options in row.search)):
        trial = row
        for path, value in zip(paths, values, strict=True):
            trial = put(trial, path, value)
        yield dict(zip(paths, values, strict=True)), trial


def put(method: Row, path: str, value: Any) -> Row:
    """The row of a table with the field at `path` ("training.lr") replaced."""
    part, dot, name = path.partition(".")
    if dot:
        value = dataclasses.replace(getattr(method, part), **{name: value})
    return dataclasses.replace(method, **{part: value})


def best_of(tried: Iterable[Trial], result: Callable[[Trial], tuple[ValScore, Result]]) -> Result:
    """The result with the highest val_score; ties go to the first.

    A trial that diverges is lost, and the others may do well. Raises the last `DivergedError` if all do.
    """
    best: tuple[ValScore, Result] | None = None
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
