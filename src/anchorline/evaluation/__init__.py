"""Evaluators: from what classifiers say of images, kept from the one pass of each set, to rows of numbers.

An evaluator takes an `Examined` and yields `Metric`s; `measure` runs all of them.
"""

from anchorline.evaluation.accuracy import accuracy, wilson
from anchorline.evaluation.corruption import corruption
from anchorline.evaluation.examined import Examined
from anchorline.evaluation.examining import examine
from anchorline.evaluation.measure import measure
from anchorline.evaluation.metric import (
    AXES,
    ID_POSITIVE,
    MCM_TEMPERATURE,
    MSP_TEMPERATURE,
    OUTLIER_POSITIVE,
    Metric,
)
from anchorline.evaluation.options import Options
from anchorline.evaluation.outcome import Outcome, outcome, outcomes
from anchorline.evaluation.summary import axes, changes

__all__ = [
    "AXES", "ID_POSITIVE", "MCM_TEMPERATURE", "MSP_TEMPERATURE", "OUTLIER_POSITIVE",
    "Examined", "Metric", "Options", "Outcome",
    "accuracy", "axes", "changes", "corruption", "examine", "measure", "outcome", "outcomes", "wilson",
]  # fmt: skip
