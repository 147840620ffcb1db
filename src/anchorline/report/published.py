"""Figures that papers report, and ours beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from anchorline.engine.storage import write_text

COLUMNS = (
    "method", "set", "metric", "score", "convention", "measured", "deviation", "seeds", "paper", "difference",
    "unit", "source", "note",
)  # fmt: skip
FILE = "published.csv"


@dataclass(frozen=True)
class Published:
    """One figure that somebody reports, beside ours of the same method, set, metric, score and convention.

    Attributes:
        method: the row of the table of methods.
        set: the name of the set; "" for a mean of the summary, such as the metric "shift_accuracy".
        metric: "accuracy", "shift_accuracy", "auroc", "miou" …
        value: in the unit of the metric.
        source: where it was read: a paper and its table, or a file of a repository.
        note: what is different there, or that it was not read in the paper itself.
        score, convention: of outlier detection ("mcm", "id-positive"); "" where there is but one.
    """

    method: str
    set: str
    metric: str
    value: float
    source: str
    note: str = ""
    score: str = ""
    convention: str = ""


def beside(rows: pd.DataFrame, published: Sequence[Published]) -> pd.DataFrame:
    """Each published figure with the mean of ours over seeds, in the order of `published`; `COLUMNS`.

    `rows` is a results table of any task: method, set, metric, value, seed, and where they apply score,
    convention and unit. `measured`, `deviation` (between seeds, n - 1) and `difference` (ours less the
    paper's) are NaN where there is none.
    """
    text = pd.DataFrame(
        {
            name: rows[name].astype(object).fillna("").astype(str) if name in rows else ""
            for name in ("method", "set", "metric", "score", "convention", "unit")
        },
        index=rows.index,
    )
    found = []
    for one in published:
        own = (text.method == one.method) & (text.set == one.set) & (text.metric == one.metric)
        if one.set:  # the means of the summary have one score each
            own &= text.score == one.score
        if one.convention:
            own &= text.convention == one.convention
        values = rows.value[own].astype(float)
        measured = float(values.mean())
        unit = next(iter(text.unit[own]), "")
        found.append(
            (one.method, one.set, one.metric, one.score, one.convention, measured, float(values.std()),
             rows.seed[own].nunique(), one.value, measured - one.value, unit, one.source, one.note)
        )  # fmt: skip
    return pd.DataFrame(found, columns=list(COLUMNS))


def write_published(directory: Path, table: pd.DataFrame) -> None:
    """What `beside` gave, as published.csv; nothing if nothing was published."""
    if not table.empty:
        write_text(directory / FILE, table.to_csv(index=False))


def read_published(directory: Path) -> list[Published]:
    """The figures that `write_published` left there; none where it wrote nothing."""
    try:
        table = pd.read_csv(directory / FILE, keep_default_na=False)
    except OSError:
        return []
    table = table.rename(columns={"paper": "value"})
    fields = [field.name for field in dataclasses.fields(Published)]
    return [Published(**row) for row in table[fields].to_dict("records")]
