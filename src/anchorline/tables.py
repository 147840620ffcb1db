"""Tables for the terminal."""

from __future__ import annotations

import pandas as pd
from rich.table import Table

_COLUMNS = (  # metric, heading, digits, signed
    ("id_accuracy", "in-distribution\naccuracy, %", 1, False),
    ("shift_accuracy", "mean over shifts\naccuracy, %", 1, False),
    ("auroc", "outliers\nAUROC (MSP), %", 1, False),
    ("mean_of_axes", "mean of\nthe three", 1, False),
    ("delta_id", "change of\naccuracy", 1, True),
    ("delta_shift", "of shifts,\npoints", 1, True),
    ("delta_auroc", "of AUROC", 1, True),
    ("trainable_parameters", "trained\nparameters", 0, False),
    ("seconds", "adapting\ns", 1, False),
)


def summary_table(rows: pd.DataFrame) -> Table:
    """A row a method: the three axes with the interval of the first, the changes, the cost."""
    summary = rows[rows.role == "summary"]
    present = [c for c in _COLUMNS if c[0] in set(summary.metric)]
    table = Table(
        "method",
        caption="changes: against the untouched encoder (zero-shot), points; [95 % interval]",
    )
    for _, heading, _, _ in present:
        table.add_column(heading, justify="right")
    for method, own in summary.groupby("method", sort=False):
        values = own.drop_duplicates("metric", keep="last").set_index("metric")
        cells = []
        for metric, _, digits, signed in present:
            value = values.value.get(metric)
            text = "–" if value is None else f"{value:{'+' if signed else ''},.{digits}f}"
            if metric == "id_accuracy":
                text += f" \\[{values.low[metric]:.1f}–{values.high[metric]:.1f}]"
            cells.append(text)
        table.add_row(str(method), *cells)
    return table
