"""The tables of a continual comparison: what stands in the end, curves over tasks, the last row of R."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from anchorline.metric import UNTOUCHED
from anchorline.report.chart_page import Sheet
from anchorline.report.tables.cells import DASH, signed
from anchorline.tasks.continual.figures import shown

COLUMNS = {  # of the final table
    "average_accuracy": "A, %",
    "forgetting": "F, points",
    "forgetting_from_best": "F from best",
    "shift_accuracy": "shifts, %",
    "auroc": "AUROC, %",
    "seconds": "seconds",
}
CHANGES = {  # what stands in brackets
    "average_accuracy": "delta_average_accuracy",
    "shift_accuracy": "delta_shift",
    "auroc": "delta_auroc",
}


def points_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and deviation over seeds of the summary figures, out of the rows of results.csv.

    Columns method, metric, task, mean, deviation (NaN of one seed).
    """
    own = rows[rows.role == "summary"]
    by = own.groupby(["method", "metric", "task"], sort=False).value
    return by.agg(mean="mean", deviation="std").reset_index()


def final_sheet(points: pd.DataFrame) -> Sheet:
    """What stands after the last task, a row a method; in brackets changes against the untouched encoder, in
    points. `points` are those of `points_of`."""
    final = points[points.task == points.task.max()].set_index(["method", "metric"])
    known = [metric for metric in COLUMNS if metric in final.index.get_level_values("metric")]

    def cell(method: str, metric: str) -> str:
        if (method, metric) not in final.index:
            return DASH
        text = shown(final.loc[(method, metric)])
        if method == UNTOUCHED or metric not in CHANGES:
            return text
        change = final.loc[(method, CHANGES[metric]), "mean"]
        return f"{text} ({signed(round(float(change), 1), 1)})"

    methods = dict.fromkeys(points.method)
    rows = [[method, *(cell(method, metric) for metric in known)] for method in methods]
    return Sheet(["", *(COLUMNS[metric] for metric in known)], rows)


def curve_sheet(points: pd.DataFrame) -> Sheet:
    tasks = sorted(set(points.task))
    rows = []
    for method, own in points.groupby("method", sort=False):
        by_task: Mapping[int, str] = {int(p.task): shown(p) for _, p in own.iterrows()}
        rows.append([str(method), *(by_task.get(task, DASH) for task in tasks)])
    return Sheet(["after task", *map(str, tasks)], rows)


def matrix_sheet(matrix: pd.DataFrame, methods: Sequence[str]) -> Sheet:
    last = int(matrix.task.max())
    own = matrix[matrix.after_task == last].groupby(["method", "task"]).accuracy.agg(["mean", "std"])
    points = own.rename(columns={"std": "deviation"})
    tasks = range(1, last + 1)
    rows = [[m, *(shown(points.loc[(m, task)]) for task in tasks)] for m in methods]
    return Sheet(["test images of task", *map(str, tasks)], rows)
