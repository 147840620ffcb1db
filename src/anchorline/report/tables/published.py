"""Figures of papers beside the measured ones."""

import math
from dataclasses import dataclass, replace

import pandas as pd
from markupsafe import Markup

from anchorline.report.html import environment
from anchorline.report.numbers import Number
from anchorline.report.tables.cells import DASH, Cell, Column, Table, decimal, signed

_METRICS = {
    "id_accuracy": "accuracy",
    "shift_accuracy": "accuracy",
    "auroc": "AUROC",
    "fpr95": "FPR95",
    "miou": "mIoU",
}
_SETS = {"id_accuracy": "in distribution", "shift_accuracy": "mean of shifts", "auroc": "mean of outliers"}
_GROUPS = {"all": "mean of outliers"}


@dataclass(frozen=True)
class Source:
    """Where some of the figures were read, by number, and what is different there."""

    number: int
    source: str
    note: str


def published_table(table: pd.DataFrame) -> Table:
    """A row a published figure: ours, the paper's, the difference, and the number of its source.

    `table` has the columns of `anchorline.report.published.COLUMNS`.
    """
    columns = [
        Column("Method"), Column("Set"), Column("Figure"), Column("measured", "here"), Column("paper"),
        Column("difference", "points"), Column("source"),
    ]  # fmt: skip
    number = {(one.source, one.note): one.number for one in sources(table)}
    rows = [
        [
            Cell(row.method),
            Cell(_GROUPS.get(row.set, row.set) or _SETS.get(row.metric, DASH)),
            Cell(_METRICS.get(row.metric, row.metric), _way(row.score, row.convention)),
            decimal(Number(row.measured, deviation=row.deviation, seeds=int(row.seeds))),
            Cell(f"{row.paper:.1f}", value=row.paper),
            _difference(row.difference),
            Cell(str(number[row.source, row.note])),
        ]
        for row in table.itertuples()
    ]
    return Table("Published and measured", columns, rows)


def sources(table: pd.DataFrame) -> list[Source]:
    """The sources with their notes, numbered from 1 in the order in which they first occur."""
    each = dict.fromkeys(zip(table.source, table.note, strict=True))
    return [Source(number, source, note) for number, (source, note) in enumerate(each, 1)]


def published_section(table: pd.DataFrame) -> Markup:
    """The section of the page as HTML, for pages with another template; empty if nothing was published."""
    if table.empty:
        return Markup("")
    template = environment("anchorline.report").get_template("sections/published.html.j2")
    return Markup(template.render(published=published_table(table), sources=sources(table)))


def _way(score: str, convention: str) -> str:
    return ", ".join(filter(None, (score, convention)))


def _difference(points: float) -> Cell:
    # No colour: what differs between the protocols is no gain and no loss.
    if math.isnan(points):
        return Cell(DASH)
    return replace(Cell(signed(round(points, 1), 1)), value=points)
