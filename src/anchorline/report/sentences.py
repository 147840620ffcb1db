"""Two or three sentences written from the numbers."""

import math
from collections.abc import Iterable, Sequence

import pandas as pd
from markupsafe import Markup

from anchorline.metric import CLASSIFICATION_AXES, IN_DISTRIBUTION, OUTLIERS, SHIFTS, UNTOUCHED, Axis
from anchorline.report.numbers import Results

NAMED = 4  # at most so many methods are named in one list


def sentences(results: Results, differences: pd.DataFrame | None = None) -> list[Markup]:
    """The best method of each axis, and what adaptation gained and lost. Names are escaped.

    Values are compared as they are shown, to 0.1, so what looks equal is called equal. Where differences were
    tested (the table of `write_report`), the last sentence tells those that are larger than noise.
    """
    written = [_best(results)]
    adapted = [m for m in results.methods if m != UNTOUCHED]
    if not adapted:
        return [*written, Markup("Nothing was adapted: only the untouched encoder is shown.")]
    if UNTOUCHED not in results.methods:
        text = "The untouched encoder ({}) was not run, so gains and losses are unknown."
        return [*written, Markup(text).format(_name(UNTOUCHED))]
    tested = _tested(differences)
    last = _significant(results, tested) if tested else _harmless(results, adapted)
    return [s for s in (*written, _champion(results, adapted), last) if s]


def _best(results: Results) -> Markup:
    parts = []
    for axis in CLASSIFICATION_AXES:
        values = {m: _shown(results, m, axis.name) for m in results.methods}
        known = {m: v for m, v in values.items() if not math.isnan(v)}
        if not known:
            continue
        top = max(known.values())
        winners = _names([m for m, v in known.items() if v == top])
        parts.append(Markup("{}: {}, {:.1f} %").format(_measured(results, axis), winners, top))
    if not parts:
        return Markup("")
    return Markup("Best {}.").format(Markup("; best ").join(parts))


def _measured(results: Results, axis: Axis) -> str:
    """What was measured, and over how many sets: "mean accuracy over 3 shifts"."""
    if axis is IN_DISTRIBUTION:
        return f"in-distribution {axis.measure}"
    return f"{axis.quantity} over {_count(len(results.sets[axis.role]), axis.noun)}"


def _champion(results: Results, adapted: Sequence[str]) -> Markup:
    """What the adapted method with the highest mean of the axes gained and lost."""
    values = {m: _shown(results, m, "mean_of_axes") for m in adapted}
    known = {m: v for m, v in values.items() if not math.isnan(v)}
    if len(adapted) == 1:
        method, claim = adapted[0], ""
    elif known:
        method = max(known, key=lambda m: known[m])
        claim = f", the adapted method with the highest mean of the axes ({known[method]:.1f} %),"
    else:
        return Markup("")
    moves: dict[str, list[str]] = {"gains": [], "loses": [], "stays level": []}
    for axis in CLASSIFICATION_AXES:
        points = _shown(results, method, axis.change)
        if math.isnan(points):
            continue
        if points == 0:
            moves["stays level"].append(axis.gained)
        else:
            moves["gains" if points > 0 else "loses"].append(f"{abs(points):.1f} points {axis.gained}")
    told = [f"{verb} {_join(what)}" for verb, what in moves.items() if what]
    if not told:
        return Markup("")
    return Markup("{}{} {} against the untouched encoder ({}).").format(
        _name(method), claim, _join(told), _name(UNTOUCHED)
    )


def _harmless(results: Results, adapted: Sequence[str]) -> Markup:
    """Which adapted methods gained in distribution and lost on no other axis."""
    others = (SHIFTS.change, OUTLIERS.change)
    judged, harmless = [], []
    for method in adapted:
        gain = _shown(results, method, IN_DISTRIBUTION.change)
        changes = [c for c in (_shown(results, method, o) for o in others) if not math.isnan(c)]
        if math.isnan(gain) or not changes:
            continue
        judged.append(method)
        if gain > 0 and min(changes) >= 0:
            harmless.append(method)
    if len(judged) < 2:
        return Markup("")
    start = Markup("Of the {} adapted methods").format(len(judged))
    if not harmless:
        return start + " none gains in distribution without a loss on another axis."
    verbs = ("gains", "loses") if len(harmless) == 1 else ("gain", "lose")
    text = Markup(" {} {} in distribution and {} on no other axis: {}.")
    return start + text.format(len(harmless), *verbs, _names(harmless))


def _tested(differences: pd.DataFrame | None) -> dict[str, dict[str, float]]:
    """By axis and method: the difference to the untouched encoder where it is beyond noise, else 0."""
    found: dict[str, dict[str, float]] = {}
    for pair in () if differences is None else differences.itertuples():
        value = float(pair.difference) if pair.significant else 0.0
        for method, other, signed in ((pair.a, pair.b, value), (pair.b, pair.a, -value)):
            if other == UNTOUCHED:
                found.setdefault(str(pair.axis), {})[str(method)] = signed
    return found


def _significant(results: Results, tested: dict[str, dict[str, float]]) -> Markup:
    """Which differences to the untouched encoder are larger than noise, and who wins by that measure."""
    parts = []
    for axis in CLASSIFICATION_AXES:
        if axis.name not in tested:
            continue
        gains = [m for m in results.methods if tested[axis.name].get(m, 0.0) > 0]
        losses = [m for m in results.methods if tested[axis.name].get(m, 0.0) < 0]
        told = [
            Markup("{} ({})").format(_count(len(methods), noun), _names(methods))
            for noun, methods in (("gain", gains), ("loss", losses))
            if methods
        ]
        parts.append(Markup("{} {}").format(axis.gained, Markup(" and ").join(told) if told else "none"))
    text = Markup("Of the differences to the untouched encoder, these are larger than noise: {}").format(
        Markup("; ").join(parts)
    )
    return text + "."


def _shown(results: Results, method: str, metric: str) -> float:
    if metric == IN_DISTRIBUTION.name:
        return round(results.in_distribution(method).mean, 1)
    return round(results.summary(method, metric).mean, 1)


def _count(count: int, noun: str) -> str:
    plural = "losses" if noun == "loss" else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def _join(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _name(method: str) -> Markup:
    return Markup("<b>{}</b>").format(method if len(method) <= 60 else method[:59] + "…")


def _names(methods: Sequence[str]) -> Markup:
    named = [_name(m) for m in methods[:NAMED]]
    more = len(methods) - len(named)
    return Markup(", ").join(named) + (f" and {more} more" if more else "")
