"""Accuracy: of a set, of a part of its classes, of its worst class, of the worst group of a suite."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from anchorline.evaluation.examined import Examined
from anchorline.evaluation.metric import Metric
from anchorline.evaluation.outcome import Outcome
from anchorline.measures.robustness import worst_class, worst_group

LEAST = 5  # images of a class, to be called the worst of a set


def accuracies(examined: Examined) -> Iterator[Metric]:
    """Of test and of each shift, whole and by the subsets of classes that were asked for, and their worst."""
    labelled = examined.labelled()
    for name, said in labelled.items():
        role = "test" if name == "test" else "shift"
        yield accuracy(name, role, said)
        worst = worst_class(said.right, said.truth, LEAST)
        if worst is not None:
            yield Metric(name, role, "worst_class", 100 * worst.accuracy, n=worst.n)
    for title, columns in examined.options.columns_of_subsets(examined.classifier.classes).items():
        for name, said in labelled.items():
            part = among(said, columns)
            if len(part.truth):
                yield accuracy(f"{name}/{title}", "subset", part)
    worst = worst_group({name: (said.right, said.truth) for name, said in labelled.items()}, LEAST)
    if worst is not None:
        yield Metric("", "summary", "worst_group", 100 * worst.accuracy, n=worst.n)


def accuracy(name: str, role: str, said: Outcome) -> Metric:
    """Top-1 accuracy with its Wilson interval."""
    right, n = int(said.right.sum()), len(said.truth)
    low, high = wilson(right, n)
    return Metric(name, role, "accuracy", 100 * right / n, low=100 * low, high=100 * high, n=n)


def among(said: Outcome, columns: tuple[int, ...]) -> Outcome:
    """The images of some classes, with only these competing."""
    chosen = torch.isin(said.truth, torch.tensor(columns))
    rivals = torch.ones(said.logits.shape[1], dtype=torch.bool)
    rivals[list(columns)] = False
    return Outcome(
        said.logits[chosen].masked_fill(rivals, -torch.inf),
        said.cosines[chosen].masked_fill(rivals, -torch.inf),
        said.features[chosen],
        said.truth[chosen],
    )


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a share, 95 % by default (Wilson 1927)."""
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))
