"""Whether the confidence of a classifier can be believed, as it is and after temperature scaling on val."""

from __future__ import annotations

from collections.abc import Iterator

from anchorline import scores
from anchorline.evaluation.examined import Examined
from anchorline.evaluation.metric import Metric
from anchorline.measures.calibration import (
    TEMPERATURES,
    brier,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
)
from anchorline.measures.selective import aurc


def temperature_of(examined: Examined) -> float | None:
    """The temperature that val asks for; None without val, or where val cannot tell: where every answer on it
    is right, say."""
    if examined.val is None:
        return None
    found = fit_temperature(examined.val.logits, examined.val.truth)
    return None if found in TEMPERATURES else found


def confidence(examined: Examined) -> Iterator[Metric]:
    """ECE in adaptive bins, negative log likelihood and Brier score, before and after scaling, and the area
    under the risk-coverage curve, of test and of each shift."""
    scaled = temperature_of(examined)
    temperatures = {"": 1.0} if scaled is None else {"": 1.0, "scaled": scaled}
    for name, said in examined.labelled().items():
        role, n = "test" if name == "test" else "shift", len(said.truth)
        for score, temperature in temperatures.items():
            ece = expected_calibration_error(scores.msp(said.logits / temperature), said.right)
            nll = negative_log_likelihood(said.logits, said.truth, temperature)
            squares = brier(said.logits, said.truth, temperature)
            for metric, value, unit in (
                ("ece", 100 * ece, "%"),
                ("nll", nll, "nats"),
                ("brier", squares, ""),
            ):
                yield Metric(name, role, metric, value, unit=unit, n=n, score=score, temperature=temperature)
        yield Metric(name, role, "aurc", 100 * aurc(said.confidence, said.right), n=n, score="msp")
