"""Accuracy: of a set, of a part of its classes, of its worst class, of the worst group of a suite."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from anchorline.evaluation.base import Evaluation
from anchorline.evaluation.outputs import Outputs
from anchorline.metric import Metric
from anchorline.metrics.robustness import worst_class, worst_group

LEAST = 5  # images of a class, to be called the worst of a set


def accuracies(evaluation: Evaluation) -> Iterator[Metric]:
    """Of test and of each shift, whole and by the subsets of classes that were asked for, and their worst.

    Where some shifts have a part of the classes, and these alone compete there, also with all competing.
    """
    labelled = evaluation.labelled()
    for name, outputs in labelled.items():
        role = "test" if name == "test" else "shift"
        yield accuracy(name, role, outputs)
        worst = worst_class(outputs.right, outputs.truth, LEAST)
        if worst is not None:
            yield Metric(name, role, "worst_class", 100 * worst.accuracy, n=worst.n)
    shifts = {name: outputs for name, outputs in labelled.items() if name != "test"}
    if any(outputs.among_all is not None for outputs in shifts.values()):
        for name, outputs in shifts.items():
            predicted = outputs.predicted if outputs.among_all is None else outputs.among_all
            yield share(name, "shift", "accuracy_among_all", predicted.eq(outputs.truth))
    for title, columns in evaluation.options.columns_of_subsets(evaluation.classifier.classes).items():
        for name, outputs in labelled.items():
            part = restricted_to(outputs, columns)
            if len(part.truth):
                yield accuracy(f"{name}/{title}", "subset", part)
    worst = worst_group({name: (outputs.right, outputs.truth) for name, outputs in labelled.items()}, LEAST)
    if worst is not None:
        yield Metric("", "summary", "worst_group", 100 * worst.accuracy, n=worst.n)


def accuracy(name: str, role: str, outputs: Outputs) -> Metric:
    """Top-1 accuracy with its Wilson interval."""
    return share(name, role, "accuracy", outputs.right)


def share(name: str, role: str, metric: str, right: Tensor) -> Metric:
    """The percentage of right answers, bool [N], with its Wilson interval."""
    hits, n = int(right.sum()), len(right)
    low, high = wilson(hits, n)
    return Metric(name, role, metric, 100 * hits / n, low=100 * low, high=100 * high, n=n)


def restricted_to(outputs: Outputs, columns: tuple[int, ...]) -> Outputs:
    """The images of some classes, with only these competing."""
    chosen = torch.isin(outputs.truth, torch.tensor(columns))
    rivals = torch.ones(outputs.logits.shape[1], dtype=torch.bool)
    rivals[list(columns)] = False
    return Outputs(
        outputs.logits[chosen].masked_fill(rivals, -torch.inf),
        outputs.cosines[chosen].masked_fill(rivals, -torch.inf),
        outputs.features[chosen],
        outputs.truth[chosen],
    )


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a share, 95 % by default (Wilson 1927)."""
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))
