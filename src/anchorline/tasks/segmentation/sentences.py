"""What the report says first: who does best, and where holding the weights pays as its papers say."""

from __future__ import annotations

import math
from collections.abc import Iterator

from anchorline.metric import SEGMENTATION_AXES, Axis, capitalized
from anchorline.report.numbers import Number, Results
from anchorline.report.tables.cells import signed
from anchorline.tasks.segmentation.methods import BASELINE, CLAIM

_CLEAN, _, _CORRUPTED = SEGMENTATION_AXES


def sentences(results: Results) -> list[str]:
    """A few sentences for the head of the page."""
    return [*_best(results), *_claim(results)]


def _best(results: Results) -> Iterator[str]:
    for axis in SEGMENTATION_AXES:
        values = {method: results.summary(method, axis.name) for method in results.methods}
        known = {method: value for method, value in values.items() if not math.isnan(value.mean)}
        if len(known) > 1:
            best = max(known, key=lambda method: known[method].mean)
            base = f"; {BASELINE} has {_shown(known[BASELINE])}" if best != BASELINE in known else ""
            yield f"{capitalized(axis.phrase)} is highest for {best}, {_shown(known[best])}{base}."


def _claim(results: Results) -> Iterator[str]:
    if not {CLAIM, BASELINE} <= set(results.methods) or not results.has("summary", _CORRUPTED.name):
        return
    clean, corrupted = (_gain(results, axis) for axis in (_CLEAN, _CORRUPTED))
    holds = clean > 0 and corrupted > clean
    verdict = (
        "as its paper claims, clean images gain and corrupted ones gain more"
        if holds
        else "its paper’s claim, that clean images gain and corrupted ones gain more, does not hold here"
    )
    one = " One seed: how far another would differ is not known." if results.seeds == 1 else ""
    yield (
        f"{CLAIM} against {BASELINE}: {signed(round(clean, 1), 1)} points on test, "
        f"{signed(round(corrupted, 1), 1)} under corruption; {verdict}.{one}"
    )


def _gain(results: Results, axis: Axis) -> float:
    return results.summary(CLAIM, axis.name).mean - results.summary(BASELINE, axis.name).mean


def _shown(number: Number) -> str:
    spread = f" ± {number.deviation:.1f}" if number.seeds > 1 else ""
    return f"{number.mean:.1f}{spread}\u00a0%"
