"""What adapting changed, image by image, and against what accuracy lets one expect."""

from __future__ import annotations

from collections.abc import Iterator

from anchorline.evaluation.examined import Examined
from anchorline.evaluation.metric import Metric
from anchorline.evaluation.outcome import Outcome
from anchorline.measures.robustness import ReferenceLine, agreement, broken, mended, relative_robustness


def robustness(examined: Examined) -> Iterator[Metric]:
    """Agreement with the untouched encoder, answers broken and mended, robustness relative to it, and
    effective robustness against the reference line (through the untouched encoder where no models are
    given)."""
    before = examined.before
    for name, said in examined.labelled().items():
        role, n = "test" if name == "test" else "shift", len(said.truth)
        yield Metric(name, role, "agreement", 100 * agreement(said.predicted, before[name].predicted), n=n)
        yield Metric(name, role, "broken", 100 * broken(said.right, before[name].right), n=n)
        yield Metric(name, role, "mended", 100 * mended(said.right, before[name].right), n=n)
    test, untouched = _accuracy(examined.said["test"]), _accuracy(before["test"])
    for name in examined.suite.shifts:
        shift, shift_untouched = _accuracy(examined.said[name]), _accuracy(before[name])
        if examined.options.reference:
            line = ReferenceLine.fit(examined.options.reference)
            which = f"line of slope {line.slope:.4g} and intercept {line.intercept:.4g}"
        else:
            line = ReferenceLine.through(untouched, shift_untouched)
            which = "line through the untouched encoder"
        relative = relative_robustness(shift, shift_untouched)
        effective = line.effective_robustness(test, shift)
        n = len(examined.said[name].truth)
        yield Metric(name, "shift", "relative_robustness", relative, unit="points", n=n)
        yield Metric(name, "shift", "effective_robustness", effective, unit="points", n=n, convention=which)


def _accuracy(said: Outcome) -> float:
    return float(said.right.double().mean())
