"""The tables of the three axes, of the shifts, the corruptions, the classes and the changed images."""

import math

import pandas as pd

from anchorline.metric import CLASSIFICATION_AXES, OUTLIERS
from anchorline.report.numbers import Results
from anchorline.report.tables.cells import (
    DASH,
    Cell,
    Column,
    Table,
    change,
    mark_best,
    percent,
    quantity,
    signed,
)


def main_table(results: Results) -> Table:
    """The three axes, what they changed by, and what they cost."""
    axes, delta, cost = "Result (%)", "Change (points)", "Cost"
    columns = [
        Column("Method"),
        Column("in distribution", "accuracy", axes),
        Column("mean of shifts", "accuracy", axes),
        Column("mean of outlier sets", "AUROC", axes),
        Column("mean", "of the axes", axes),
        Column("in distribution", "accuracy", delta),
        Column("mean of shifts", "accuracy", delta),
        Column("mean of outlier sets", "AUROC", delta),
        Column("trained", "parameters", cost),
        Column("time", "s", cost),
        Column("peak memory", "MiB", cost),
    ]
    costs = ("trainable_parameters", "seconds", "peak_memory")
    rows = []
    for method in results.methods:
        rows.append(
            [
                Cell(method),
                percent(results.in_distribution(method)),
                percent(results.mean_shift(method)),
                percent(results.summary(method, OUTLIERS.name)),
                percent(results.summary(method, "mean_of_axes")),
                *(change(results.summary(method, axis.change)) for axis in CLASSIFICATION_AXES),
                *(quantity(results.summary(method, c)) for c in costs),
            ]
        )
    return Table("Results by method", columns, mark_best(rows, dict.fromkeys(range(1, 5), max)))


def shift_table(results: Results) -> Table:
    """Accuracy on each shift."""
    columns = [Column("Method"), Column("test", _images(results, "test", None))]
    columns += [Column(s, _images(results, "shift", s)) for s in results.shifts]
    columns += [Column("mean of shifts")]
    rows = [
        [
            Cell(method),
            percent(results.in_distribution(method)),
            *(percent(results.get(method, "shift", "accuracy", s)) for s in results.shifts),
            percent(results.mean_shift(method)),
        ]
        for method in results.methods
    ]
    best = dict.fromkeys(range(1, len(columns)), max)
    return Table("Accuracy by shift (%)", columns, mark_best(rows, best))


def subset_table(results: Results) -> Table:
    """Accuracy where only some classes compete."""
    names = list(dict.fromkeys(key[3] for key in results.numbers if key[1] == "subset"))
    rows = [
        [Cell(method), *(percent(results.get(method, "subset", "accuracy", name)) for name in names)]
        for method in results.methods
    ]
    columns = [Column("Method"), *(Column(name, _images(results, "subset", name)) for name in names)]
    best = dict.fromkeys(range(1, len(columns)), max)
    return Table("Accuracy by subset of the classes (%)", columns, mark_best(rows, best))


def class_table(label: str, per_class: pd.DataFrame) -> Table:
    """Percent accuracy by class and set, without its rows: those are `class_rows`."""
    return Table(label, [Column("Class"), *(Column(str(name), "%") for name in per_class.columns)], [])


def class_rows(per_class: pd.DataFrame) -> list[list[str | float | None]]:
    """Name and values of each class; None where a set lacks it."""
    return [
        [str(name), *(None if math.isnan(v) else float(f"{v:.10g}") for v in values)]
        for name, values in zip(per_class.index, per_class.to_numpy(dtype=float), strict=True)
    ]


def changes_table(label: str, changes: pd.DataFrame) -> Table:
    """Images by set: negative flips, positive flips, and what is won on balance."""
    columns = [Column("Set"), *(Column(c, "images") for c in ("negative flips", "positive flips", "balance"))]
    rows = []
    for name, negative_flips, positive_flips in changes[["negative_flips", "positive_flips"]].itertuples():
        balance = float(positive_flips) - float(negative_flips)
        tone = "gain" if balance > 0 else "loss" if balance < 0 else ""
        rows.append(
            [
                Cell(str(name)),
                _count(negative_flips),
                _count(positive_flips),
                Cell(DASH) if math.isnan(balance) else Cell(signed(balance, 0), "", balance, tone),
            ]
        )
    return Table(label, columns, rows)


def _count(images: float) -> Cell:
    return Cell(DASH) if math.isnan(images) else Cell(f"{images:,.0f}", "", float(images))


def _images(results: Results, role: str, name: str | None) -> str:
    sizes = [n for (r, s), n in results.sizes.items() if r == role and name in (None, s)]
    return f"{sizes[0]:,} images" if sizes else ""
