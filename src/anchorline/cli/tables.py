"""Tables for the terminal."""

from __future__ import annotations

import pandas as pd
from rich import box
from rich.table import Table

from anchorline.metric import CLASSIFICATION_AXES, IN_DISTRIBUTION, UNTOUCHED

_CAPTION = (
    f"(change against the untouched encoder, {UNTOUCHED}, in points) [95 % interval], or ± standard "
    "deviation between seeds; AUROC: of the maximum softmax probability, mean over outlier sets; trained: "
    "parameters"
)


def summary_table(rows: pd.DataFrame) -> Table:
    """A row a method: the axes with their changes, the interval of the first, the cost; means over seeds. 80
    columns."""
    summary = rows[rows.role == "summary"]
    axes = [axis for axis in CLASSIFICATION_AXES if axis.name in set(summary.metric)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, caption=_CAPTION)
    table.add_column("method", no_wrap=True)
    for axis in axes:
        short = axis.short.replace("distribution", "distr.")  # to fit
        table.add_column(f"{short}\n{axis.measure}, %", justify="right", no_wrap=True)
    for heading in ("trained", "s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for method, own in summary.groupby("method", sort=False):
        by_metric = own.groupby("metric")
        values, spread = by_metric[["value", "low", "high"]].mean(), by_metric.value.std()
        cells = []
        for axis in axes:
            cell = f"{values.value[axis.name]:.1f} ({values.value[axis.change]:+.1f})"
            if own.seed.nunique() > 1:
                cell += f"\n± {spread[axis.name]:.1f}"
            elif axis is IN_DISTRIBUTION:
                cell += f"\n[{values.low[axis.name]:.1f}–{values.high[axis.name]:.1f}]"
            cells.append(cell)
        trained = values.value["trainable_parameters"]
        short = f"{trained / 1e6:.1f} M" if trained >= 1e6 else f"{trained:,.0f}"
        cells += [short, f"{values.value['seconds']:.0f}"]
        table.add_row(str(method), *cells)
    return table


_SHOWN = {"accuracy": "", "ece": "", "auroc": "msp mcm", "fpr95": "msp mcm", "coverage": "msp"}  # with scores


def sets_table(title: str, rows: pd.DataFrame) -> Table:
    """The figures of each set that most readers look for; `rows` may hold hundreds more."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("set", "metric", "score", "convention"):
        table.add_column(heading, no_wrap=heading == "convention")
    for heading in ("value", "95 % interval", "images"):
        table.add_column(heading, justify="right")
    for row in rows[rows.set.fillna("") != ""].itertuples():
        if row.metric not in _SHOWN or row.score not in _SHOWN[row.metric].split(" ") or pd.isna(row.n):
            continue
        interval = "" if pd.isna(row.low) else f"{row.low:.1f}–{row.high:.1f}"
        said = (row.set, row.metric, row.score, row.convention)
        table.add_row(*said, f"{row.value:.1f} {row.unit}", interval, f"{row.n:,}")
    return table
