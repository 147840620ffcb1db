"""What the report says first: who does best, and where holding the weights pays as its papers say."""

from __future__ import annotations

import math
from collections.abc import Iterator

from anchorline.report.numbers import Number, Results
from anchorline.report.tables.cells import signed
from anchorline.tasks.segmentation.methods import BASELINE

_SAID = {
    "clean": "mIoU on test",
    "shift_mean": "mean mIoU under shift",
    "corruption_mean": "mean mIoU under corruption",
}
_CLAIM = "ftp"  # Tian et al. 2023, arXiv 2310.19182: better on clean images, and more so on corrupted ones


def sentences(results: Results) -> list[str]:
    """A few sentences for the head of the page."""
    return [*_best(results), *_claim(results)]


def _best(results: Results) -> Iterator[str]:
    for axis, said in _SAID.items():
        values = {method: results.summary(method, axis) for method in results.methods}
        known = {method: value for method, value in values.items() if not math.isnan(value.mean)}
        if len(known) > 1:
            best = max(known, key=lambda method: known[method].mean)
            base = f"; {BASELINE} has {_shown(known[BASELINE])}" if best != BASELINE in known else ""
            title = said if said.startswith("mIoU") else f"M{said[1:]}"
            yield f"{title} is highest for {best}, {_shown(known[best])}{base}."


def _claim(results: Results) -> Iterator[str]:
    if not {_CLAIM, BASELINE} <= set(results.methods) or not results.has("summary", "corruption_mean"):
        return
    clean, corrupted = (_gain(results, axis) for axis in ("clean", "corruption_mean"))
    holds = clean > 0 and corrupted > clean
    verdict = (
        "as its paper claims, clean images gain and corrupted ones gain more"
        if holds
        else "its paper’s claim, that clean images gain and corrupted ones gain more, does not hold here"
    )
    one = " One seed: how far another would differ is not known." if results.seeds == 1 else ""
    yield (
        f"{_CLAIM} against {BASELINE}: {signed(round(clean, 1), 1)} points on test, "
        f"{signed(round(corrupted, 1), 1)} under corruption; {verdict}.{one}"
    )


def _gain(results: Results, axis: str) -> float:
    return results.summary(_CLAIM, axis).mean - results.summary(BASELINE, axis).mean


def _shown(number: Number) -> str:
    spread = f" ± {number.deviation:.1f}" if number.seeds > 1 else ""
    return f"{number.mean:.1f}{spread}\u00a0%"
