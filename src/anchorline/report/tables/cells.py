"""Tables as plain data that the template writes out: cells, columns, and what is best."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from anchorline.report.numbers import Number

DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a smaller second line, the value it sorts by, its tone, and what a CSV says of its
    uncertainty: (low, high), or (standard deviation,)."""

    text: str
    small: str = ""
    value: float = math.nan
    tone: str = ""  # "" | "best" | "gain" | "loss"
    spread: tuple[float, ...] = ()

    @property
    def exact(self) -> str:
        """The value in full, where the text says less."""
        exact = "" if math.isnan(self.value) else f"{self.value:.10g}"
        return "" if exact == self.text else exact

    @property
    def exact_spread(self) -> str:
        return " ".join(f"{value:.10g}" for value in self.spread)


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


def decimal(number: Number, decimals: int = 1, interval: bool = True) -> Cell:
    """A number with its interval (one seed) or deviation (several) below it."""
    if math.isnan(number.mean):
        return Cell(DASH)
    small = ""
    spread: tuple[float, ...] = ()
    if number.seeds > 1:
        small, spread = f"± {number.deviation:.{decimals}f}", (number.deviation,)
    elif interval and not math.isnan(number.low):
        small = f"{number.low:.{decimals}f}{DASH}{number.high:.{decimals}f}"
        spread = (number.low, number.high)
    return Cell(f"{number.mean:.{decimals}f}", small, number.mean, spread=spread)


def percent(number: Number, interval: bool = True) -> Cell:
    """A percentage to 0.1."""
    return decimal(number, 1, interval)


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
    varies = number.deviation > 0
    small = f"± {_short(number.deviation)}" if varies else ""
    return Cell(_short(number.mean), small, number.mean, spread=(number.deviation,) if varies else ())


def _short(value: float) -> str:
    """Millions shortened; one decimal below ten, unless the value is whole."""
    if value >= 1e6:
        return f"{value / 1e6:,.1f} M"
    if value < 10 and value != round(value):
        return f"{value:.1f}"
    return f"{value:,.0f}"


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
