"""Tables of segmentation and of continual learning for the docs, from results.csv."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from tables.summary import spread_of

from anchorline.metric import SEGMENTATION_AXES
from anchorline.report.numbers import Results
from anchorline.tasks.continual import Learnt
from anchorline.tasks.continual.tables import final_sheet, points_of
from anchorline.tasks.segmentation.sentences import sentences

AXES = {axis.name: axis.mean for axis in SEGMENTATION_AXES}


def segmentation(rows: pd.DataFrame) -> str:
    """mIoU of each method on each axis, its cost, and what follows for FTP's claim."""
    own = rows[rows.role == "summary"]
    headings = [f"{name}, mIoU %" for name in AXES.values()]
    lines = [_line(["method", *headings, "trained parameters", "adapting, s"]), "|---" * 6 + "|"]
    for method in dict.fromkeys(own.method):
        each = own[own.method == method].groupby("metric").value
        cells = [spread_of(each.get_group(axis)) for axis in AXES]
        cost = each.mean()
        count, seconds = f"{cost['trainable_parameters']:,.0f}", f"{cost['seconds']:.0f}"
        lines.append(_line([f"`{method}`", *cells, count, seconds]))
    return "\n".join([*lines, "", *sentences(Results(rows))])


def segmentation_shifts(rows: pd.DataFrame) -> str:
    """mIoU of each method on each shift, and under each corruption over its severities."""
    shown = rows[(rows.metric == "miou") & rows.role.isin(["shift", "corruption"])]
    shown = shown.assign(kind=shown.set.str.partition("/")[0])
    kinds = dict.fromkeys(shown.kind)
    lines = [_line(["method", *(kind.replace("_", " ") for kind in kinds)]), "|---" * (1 + len(kinds)) + "|"]
    for method in dict.fromkeys(shown.method):
        each = shown[shown.method == method].groupby(["kind", "seed"]).value.mean()
        lines.append(_line([f"`{method}`", *(spread_of(each[kind]) for kind in kinds)]))
    return "\n".join(lines)


def continual(rows: pd.DataFrame) -> str:
    """What stands after the last task."""
    sheet = final_sheet(points_of(rows))
    lines = [_line(["method", *sheet.columns[1:]]), "|---" * len(sheet.columns) + "|"]
    return "\n".join([*lines, *(_line([f"`{method}`", *cells]) for method, *cells in sheet.rows)])


def continual_rates(learnt: Sequence[Learnt]) -> str:
    """A on the val images of all tasks at each learning rate that was tried."""
    lines = [_line(["method", "A on val, % (learning rate)", ""]), "|---" * 3 + "|"]
    tried: dict[str, dict[str, list[float]]] = {}
    for one in learnt:
        for setting, value in one.val.items():
            if one.row.method.search:
                tried.setdefault(one.row.name, {}).setdefault(setting.split()[-1], []).append(value)
    for method, found in tried.items():
        cells = [f"{spread_of(pd.Series(found[rate]))} ({rate})" for rate in sorted(found, key=float)]
        lines.append(_line([f"`{method}`", *cells]))
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
