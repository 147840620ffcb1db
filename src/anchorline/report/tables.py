"""The tables, as plain data that the template writes out."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from anchorline.report.results import Number, Results

DASH = "\N{EN DASH}"
OURS, THEIRS = "id-positive", "outlier-positive"


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a smaller second line, the value it sorts by, and its tone."""

    text: str
    small: str = ""
    value: float = math.nan
    tone: str = ""  # "" | "best" | "gain" | "loss"


@dataclass(frozen=True)
class Column:
    """One column; neighbours with the same `group` stand under one wider header."""

    title: str
    unit: str = ""
    group: str = ""


@dataclass(frozen=True)
class Table:
    label: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """(title, columns spanned) of the upper header, empty where no column has a group."""
        runs = [(t, len(list(g))) for t, g in itertools.groupby(c.group for c in self.columns)]
        return runs if any(title for title, _ in runs) else []


def percent(number: Number, interval: bool = True) -> Cell:
    """A percentage to 0.1 with its interval (one seed) or deviation (several) below it."""
    if math.isnan(number.mean):
        return Cell(DASH)
    small = ""
    if number.seeds > 1:
        small = f"± {number.deviation:.1f}"
    elif interval and not math.isnan(number.low):
        small = f"{number.low:.1f}{DASH}{number.high:.1f}"
    return Cell(f"{number.mean:.1f}", small, number.mean)


def change(number: Number) -> Cell:
    """Points gained or lost, always with a sign."""
    cell = percent(number, interval=False)
    if cell.text == DASH:
        return cell
    shown = round(number.mean, 1)
    tone = "gain" if shown > 0 else "loss" if shown < 0 else ""
    return replace(cell, text=signed(shown, 1), tone=tone)


def signed(value: float, decimals: int) -> str:
    sign = "+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else ""
    return f"{sign}{abs(value):,.{decimals}f}"


def quantity(number: Number) -> Cell:
    """A count, a duration or a size, with the deviation between seeds where it varies."""
    if math.isnan(number.mean):
        return Cell(DASH)
    small = f"± {_short(number.deviation)}" if number.deviation > 0 else ""
    return Cell(_short(number.mean), small, number.mean)


def _short(value: float) -> str:
    """Millions shortened; one decimal below ten, unless the value is whole."""
    if value >= 1e6:
        return f"{value / 1e6:,.1f} M"
    if value < 10 and value != round(value):
        return f"{value:.1f}"
    return f"{value:,.0f}"


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
                percent(results.summary(method, "auroc")),
                percent(results.summary(method, "mean_of_axes")),
                *(change(results.summary(method, f"delta_{a}")) for a in ("id", "shift", "auroc")),
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


def outlier_table(results: Results, metric: str, convention: str = "") -> Table:
    """AUROC or FPR95 on each outlier set, by both scores."""
    scores = [(name, score) for name in results.outliers for score in ("msp", "mcm")]
    columns = [Column("Method"), *(Column(score, "", name) for name, score in scores)]
    rows = []
    for method in results.methods:
        found = [
            percent(results.get(method, "outlier", metric, name, score, convention), False)
            for name, score in scores
        ]
        rows.append([Cell(method), *found])
    pick: Callable[[Iterable[float]], float] = max if metric == "auroc" else min
    label = "AUROC (%)" if metric == "auroc" else f"FPR95 (%), {convention}"
    return Table(label, columns, mark_best(rows, dict.fromkeys(range(1, len(columns)), pick)))


def class_table(label: str, per_class: pd.DataFrame) -> Table:
    """Percent accuracy by class and set."""
    columns = [Column("Class"), *(Column(str(name), "%") for name in per_class.columns)]
    rows = [
        [Cell(str(name)), *(percent(Number(float(v))) for v in values)]
        for name, values in zip(per_class.index, per_class.to_numpy(), strict=True)
    ]
    return Table(label, columns, rows)


def mark_best(
    rows: Sequence[Sequence[Cell]], best: Mapping[int, Callable[[Iterable[float]], float]]
) -> list[list[Cell]]:
    """Mark the best of each column, and all that look equal to it at the shown precision."""
    marked = [list(row) for row in rows]
    for column, pick in best.items():
        shown = [float(row[column].text) for row in rows if row[column].text != DASH]
        if len(rows) < 2 or not shown:
            continue
        for row in marked:
            if row[column].text != DASH and float(row[column].text) == pick(shown):
                row[column] = replace(row[column], tone="best")
    return marked


def _images(results: Results, role: str, name: str | None) -> str:
    sizes = [n for (r, s), n in results.sizes.items() if r == role and name in (None, s)]
    return f"{sizes[0]:,} images" if sizes else ""
