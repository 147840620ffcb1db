"""Whether the confidence of a classifier can be believed, as it is and after temperature scaling on val."""

from __future__ import annotations

from collections.abc import Iterator

from anchorline.evaluation.base import Evaluation
from anchorline.metric import Metric
from anchorline.metrics import scores
from anchorline.metrics.calibration import (
    TEMPERATURES,
    brier,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
)
from anchorline.metrics.selective import aurc


def temperature_of(evaluation: Evaluation) -> float | None:
    """The temperature that val asks for; None without val, or where val cannot tell: where every answer on it
    is right, say."""
    if evaluation.val is None:
        return None
    found = fit_temperature(evaluation.val.logits, evaluation.val.truth)
    return None if found in TEMPERATURES else found


def confidence(evaluation: Evaluation) -> Iterator[Metric]:
    """ECE in adaptive bins, negative log likelihood and Brier score, before and after scaling, and the area
    under the risk-coverage curve, of test and of each shift."""
    scaled = temperature_of(evaluation)
    temperatures = {"": 1.0} if scaled is None else {"": 1.0, "scaled": scaled}
    for name, outputs in evaluation.labelled().items():
        role, n = "test" if name == "test" else "shift", len(outputs.truth)
        for score, temperature in temperatures.items():
            ece = expected_calibration_error(scores.msp(outputs.logits / temperature), outputs.right)
            nll = negative_log_likelihood(outputs.logits, outputs.truth, temperature)
            squares = brier(outputs.logits, outputs.truth, temperature)
            for metric, value, unit in (
                ("ece", 100 * ece, "%"),
                ("nll", nll, "nats"),
                ("brier", squares, ""),
            ):
                yield Metric(name, role, metric, value, unit=unit, n=n, score=score, temperature=temperature)
        yield Metric(name, role, "aurc", 100 * aurc(outputs.confidence, outputs.right), n=n, score="msp")
