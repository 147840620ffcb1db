"""How well each detector tells each outlier set from test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple

import numpy as np

from anchorline.evaluation.base import Evaluation
from anchorline.metric import ID_POSITIVE, OUTLIER_POSITIVE, Metric
from anchorline.metrics.bootstrap import Floats, interval
from anchorline.metrics.detection import NAMES, detect, resampled

_METRICS = {  # field of `Detection`: (metric, convention)
    "auroc": ("auroc", ""),
    "aupr_in": ("aupr_in", ""),
    "aupr_out": ("aupr_out", ""),
    "fpr95": ("fpr95", ID_POSITIVE),
    "fpr95_outlier_positive": ("fpr95", OUTLIER_POSITIVE),
    "detection_error": ("detection_error", ""),
}


def detection(evaluation: Evaluation) -> Iterator[Metric]:
    """All measures of all detectors on each outlier set, and their means over all, near and far sets, with
    bootstrap intervals. Test is in distribution."""
    suite = evaluation.suite
    if not suite.outliers:
        return
    inside = evaluation.scores["test"]
    outside = {name: evaluation.scores[name] for name in suite.outliers}
    groups = {"all": tuple(suite.outliers)}
    if suite.near and suite.near != set(suite.outliers):
        groups["near"] = tuple(name for name in suite.outliers if name in suite.near)
        groups["far"] = tuple(name for name in suite.outliers if name not in suite.near)
    for scorer in evaluation.detectors:
        if not all(scorer.name in found for found in (inside, *outside.values())):
            continue  # cannot be fitted on the classes that compete there
        told = {
            "score": scorer.name,
            "temperature": scorer.chosen.get("t", scorer.detector.temperature),
        }
        values: dict[str, dict[str, float]] = {}
        draws: dict[str, dict[str, Floats]] = {}
        for name in suite.outliers:
            a, b = inside[scorer.name], outside[name][scorer.name]
            values[name] = dict(zip(NAMES, astuple(detect(a, b)), strict=True))
            draws[name] = resampled(a, b, evaluation.resamples, ("test", name))
            for field, (metric, convention) in _METRICS.items():
                low, high = interval(100 * draws[name][field])
                yield Metric(
                    name, "outlier", metric, 100 * values[name][field], low=low, high=high, n=len(b),
                    convention=convention, **told,
                )  # fmt: skip
        for group, names in groups.items():
            for field, (metric, convention) in _METRICS.items():
                mean = 100 * np.mean([values[name][field] for name in names])
                low, high = interval(100 * np.mean([draws[name][field] for name in names], axis=0))
                yield Metric(
                    group, "detection", metric, float(mean), low=low, high=high, convention=convention, **told
                )
