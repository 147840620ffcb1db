"""All evaluators over one classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from anchorline.engine.plugins import Table
from anchorline.evaluation.base import Evaluation
from anchorline.evaluation.evaluators.accuracy import accuracies
from anchorline.evaluation.evaluators.calibration import confidence
from anchorline.evaluation.evaluators.detection import detection
from anchorline.evaluation.evaluators.open_set import open_set
from anchorline.evaluation.evaluators.robustness import robustness
from anchorline.evaluation.evaluators.summary import axes, cost
from anchorline.metric import Metric

Evaluator = Callable[[Evaluation], Iterator[Metric]]

EVALUATORS: Table[Evaluator] = Table(
    (evaluator.__name__, evaluator)
    for evaluator in (
        accuracies,
        robustness,
        confidence,
        open_set,
        detection,
    )
)


def measure(evaluation: Evaluation) -> list[Metric]:
    """Every metric of one classifier on one suite; the three axes and the cost come last."""
    found = [metric for evaluator in EVALUATORS.values() for metric in evaluator(evaluation)]
    return [*found, *axes(evaluation.suite, evaluation.outputs), *cost(evaluation.classifier)]
