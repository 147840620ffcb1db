"""Tables for the terminal."""

from __future__ import annotations

import pandas as pd
from rich import box
from rich.table import Table

_AXES = (  # metric, its change, heading
    ("id_accuracy", "delta_id", "in distr.\naccuracy, %"),
    ("shift_accuracy", "delta_shift", "shifts, mean\naccuracy, %"),
    ("auroc", "delta_auroc", "outliers\nAUROC, %"),
)
_CAPTION = (
    "(change against the untouched encoder, zero-shot, in points) [95 % interval]; AUROC: of the maximum "
    "softmax probability, mean over the outlier sets; trained: parameters"
)


def summary_table(rows: pd.DataFrame) -> Table:
    """A row a method: the axes with their changes, the interval of the first, the cost. 80 columns."""
    summary = rows[rows.role == "summary"]
    axes = [axis for axis in _AXES if axis[0] in set(summary.metric)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=_CAPTION, caption_justify="left")
    table.add_column("method", no_wrap=True)
    for _, _, heading in axes:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in (["mean of\nthem"] if len(axes) == len(_AXES) else []) + ["trained", "s"]:
        table.add_column(heading, justify="right", no_wrap=True)
    for method, own in summary.groupby("method", sort=False):
        values = own.drop_duplicates("metric", keep="last").set_index("metric")
        cells = []
        for metric, change, _ in axes:
            cell = f"{values.value[metric]:.1f} ({values.value[change]:+.1f})"
            if metric == "id_accuracy":
                cell += f"\n\\[{values.low[metric]:.1f}–{values.high[metric]:.1f}]"
            cells.append(cell)
        if len(axes) == len(_AXES):
            cells.append(f"{values.value['mean_of_axes']:.1f}")
        cells += [f"{values.value['trainable_parameters']:,.0f}", f"{values.value['seconds']:.1f}"]
        table.add_row(str(method), *cells)
    return table
