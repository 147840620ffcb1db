"""Open-set decisions: what a threshold on confidence keeps, in distribution, under shift and of outliers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from anchorline.evaluation.base import Evaluation
from anchorline.metric import Metric
from anchorline.metrics.open_set import conformal_threshold, decisions


def open_set(evaluation: Evaluation) -> Iterator[Metric]:
    """The share of each set that the conformal threshold on MSP keeps, and the accuracy among the kept; the
    threshold comes from val."""
    if evaluation.val is None:
        return
    threshold = conformal_threshold(evaluation.val.confidence, evaluation.options.keep)
    told: dict[str, Any] = {
        "score": "msp",
        "temperature": 1.0,
        "convention": f"keep {evaluation.options.keep:g}",
    }
    for name, outputs in evaluation.outputs.items():
        right = None if outputs.labels is None else outputs.right
        role = "outlier" if right is None else "test" if name == "test" else "shift"
        found, n = decisions(outputs.confidence, right, threshold), len(outputs.logits)
        yield Metric(name, role, "coverage", 100 * found.kept, n=n, **told)
        if not math.isnan(found.accuracy):
            yield Metric(name, role, "selective_accuracy", 100 * found.accuracy, n=n, **told)
