"""Open-set decisions: what a threshold on confidence keeps, in distribution, under shift and of outliers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from anchorline.evaluation.examined import Examined
from anchorline.evaluation.metric import Metric
from anchorline.measures.open_set import conformal_threshold, decisions


def open_set(examined: Examined) -> Iterator[Metric]:
    """The share of each set that the conformal threshold on MSP keeps, and the accuracy among the kept; the
    threshold comes from val."""
    if examined.val is None:
        return
    threshold = conformal_threshold(examined.val.confidence, examined.options.keep)
    told: dict[str, Any] = {
        "score": "msp",
        "temperature": 1.0,
        "convention": f"keep {examined.options.keep:g}",
    }
    for name, said in examined.said.items():
        right = None if said.labels is None else said.right
        role = "outlier" if right is None else "test" if name == "test" else "shift"
        found, n = decisions(said.confidence, right, threshold), len(said.logits)
        yield Metric(name, role, "kept", 100 * found.kept, n=n, **told)
        if not math.isnan(found.accuracy):
            yield Metric(name, role, "kept_accuracy", 100 * found.accuracy, n=n, **told)
