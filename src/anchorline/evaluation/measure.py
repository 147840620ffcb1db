"""All evaluators over one classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from anchorline.evaluation.accuracy import accuracies
from anchorline.evaluation.confidence import confidence
from anchorline.evaluation.detection import detection
from anchorline.evaluation.examined import Examined
from anchorline.evaluation.metric import Metric
from anchorline.evaluation.open_set import open_set
from anchorline.evaluation.robustness import robustness
from anchorline.evaluation.summary import axes, cost

EVALUATORS: tuple[Callable[[Examined], Iterator[Metric]], ...] = (
    accuracies,
    robustness,
    confidence,
    open_set,
    detection,
)


def measure(examined: Examined) -> list[Metric]:
    """Every metric of one classifier on one suite; the three axes and the cost come last."""
    found = [metric for evaluator in EVALUATORS for metric in evaluator(examined)]
    return [*found, *axes(examined.suite, examined.said), *cost(examined.classifier)]
