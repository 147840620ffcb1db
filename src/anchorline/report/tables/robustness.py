"""The tables of what lies behind accuracy under shift, and of open-set decisions."""

from collections.abc import Callable, Iterable
from statistics import fmean

from anchorline.report.numbers import Number, Results
from anchorline.report.tables.cells import Cell, Column, Table, change, mark_best, percent

MEASURES = {  # metric: (title, unit, how it is written)
    "accuracy": ("accuracy", "%", percent),
    "accuracy_among_all": ("all classes compete", "%", percent),
    "relative_robustness": ("relative robustness", "points", change),
    "effective_robustness": ("effective robustness", "points", change),
    "worst_class": ("worst class", "%", percent),
    "agreement": ("agreement", "%", percent),
    "negative_flips": ("negative flips", "%", percent),
    "positive_flips": ("positive flips", "%", percent),
}
GROUP = "worst_group"
MEAN = "mean of shifts"
PICKS: dict[str, Callable[[Iterable[float]], float]] = {
    "accuracy": max,
    "accuracy_among_all": max,
    "worst_class": max,
    "positive_flips": max,
}
PICKS |= {GROUP: max, "negative_flips": min}


def places(results: Results) -> list[str]:
    """Where robustness is told: the mean of the shifts, each shift, test; none where nothing is known."""
    known = [m for m in MEASURES if m != "accuracy" and (results.has("shift", m) or results.has("test", m))]
    if not known:
        return []
    return [*([MEAN] if len(results.shifts) > 1 else []), *results.shifts, "test"]


def robustness_table(results: Results, place: str) -> Table:
    """Methods x measures, on one set or in the mean of the shifts."""
    role = "test" if place == "test" and place not in results.shifts else "shift"
    metrics = [m for m in MEASURES if results.has(role, m)]
    titles = [Column(*MEASURES[m][:2]) for m in metrics]
    rows = [
        [Cell(method), *(MEASURES[m][2](_at(results, method, role, m, place)) for m in metrics)]
        for method in results.methods
    ]
    if place in (MEAN, "test") and results.has("summary", GROUP):
        metrics.append(GROUP)
        titles.append(Column("worst group", "%"))
        rows = [[*row, percent(results.summary(row[0].text, GROUP))] for row in rows]
    best = {i: PICKS[m] for i, m in enumerate(metrics, 1) if m in PICKS}
    return Table(f"Robustness: {place}", [Column("Method"), *titles], mark_best(rows, best))


def _at(results: Results, method: str, role: str, metric: str, place: str) -> Number:
    if place != MEAN:
        return results.get(method, role, metric, place)
    if metric == "accuracy":
        return results.mean_shift(method)
    return Number(fmean(results.get(method, role, metric, s).mean for s in results.shifts))


def open_set_table(results: Results) -> Table | None:
    """Share kept and accuracy among the kept on test and each shift, share kept of each outlier set."""
    if not results.has("test", "coverage"):
        return None
    sets = [("test", results.test)] + [("shift", name) for name in results.shifts]
    columns = [Column("Method")]
    for _, name in sets:
        columns += [Column("coverage", "%", name), Column("right", "%", name)]
    outliers = results.outliers if results.has("outlier", "coverage") else []
    columns += [Column(name, "% kept", "Outlier set") for name in outliers]
    rows = []
    for method in results.methods:
        row = [Cell(method)]
        for role, name in sets:
            row += [
                percent(results.get(method, role, m, name, "msp")) for m in ("coverage", "selective_accuracy")
            ]
        row += [percent(results.outlier_kept(method, name)) for name in outliers]
        rows.append(row)
    picks: dict[int, Callable[[Iterable[float]], float]] = dict.fromkeys(range(2, 2 * len(sets) + 1, 2), max)
    picks |= dict.fromkeys(range(2 * len(sets) + 1, len(columns)), min)
    return Table("Open-set decisions", columns, mark_best(rows, picks))
