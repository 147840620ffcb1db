"""What adapting changed, image by image, and against what accuracy lets one expect."""

from __future__ import annotations

from collections.abc import Iterator

from anchorline.evaluation.base import Evaluation
from anchorline.evaluation.outputs import Outputs
from anchorline.metric import Metric
from anchorline.metrics.robustness import (
    ReferenceLine,
    agreement,
    negative_flips,
    positive_flips,
    relative_robustness,
)


def robustness(evaluation: Evaluation) -> Iterator[Metric]:
    """Agreement with the untouched encoder, negative and positive flips, robustness relative to it, and
    effective robustness against the reference line (through the untouched encoder where no models are
    given)."""
    before = evaluation.untouched
    for name, outputs in evaluation.labelled().items():
        role, n = "test" if name == "test" else "shift", len(outputs.truth)
        yield Metric(name, role, "agreement", 100 * agreement(outputs.predicted, before[name].predicted), n=n)
        yield Metric(
            name, role, "negative_flips", 100 * negative_flips(outputs.right, before[name].right), n=n
        )
        yield Metric(
            name, role, "positive_flips", 100 * positive_flips(outputs.right, before[name].right), n=n
        )
    test, untouched = _accuracy(evaluation.outputs["test"]), _accuracy(before["test"])
    for name in evaluation.suite.shifts:
        shift, shift_untouched = _accuracy(evaluation.outputs[name]), _accuracy(before[name])
        if evaluation.options.reference:
            line = ReferenceLine.fit(evaluation.options.reference)
            which = f"line of slope {line.slope:.4g} and intercept {line.intercept:.4g}"
        else:
            line = ReferenceLine.through(untouched, shift_untouched)
            which = "line through the untouched encoder"
        relative = relative_robustness(shift, shift_untouched)
        effective = line.effective_robustness(test, shift)
        n = len(evaluation.outputs[name].truth)
        yield Metric(name, "shift", "relative_robustness", relative, unit="points", n=n)
        yield Metric(name, "shift", "effective_robustness", effective, unit="points", n=n, convention=which)


def _accuracy(outputs: Outputs) -> float:
    return float(outputs.right.double().mean())
