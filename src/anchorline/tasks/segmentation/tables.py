"""The tables of the report, and the map of IoU by class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from rich import box
from rich.table import Table as ScreenTable

from anchorline.metric import SEGMENTATION_AXES
from anchorline.report.figures.style import INK, plain_layout, plot_text, with_data
from anchorline.report.numbers import Number, Results
from anchorline.report.tables.cells import DASH, Cell, Column, Table, change, mark_best, percent, quantity
from anchorline.tasks.segmentation.methods import BASELINE

_SCALE = ((0, "#ffffff"), (1, "#00639b"))
_ROW = 25  # pixels


def methods_table(results: Results) -> Table:
    """A row a method: mIoU on each axis, its difference to fine-tune, and the cost."""
    axes = [axis for axis in SEGMENTATION_AXES if results.has("summary", axis.name)]
    columns = [Column("Method")]
    for axis in axes:
        columns += [Column(axis.short, "", f"{axis.measure}, %")]
    compared = BASELINE in results.methods and len(results.methods) > 1
    if compared:
        columns += [Column(axis.short, "", f"difference to {BASELINE}, points") for axis in axes]
    columns += [Column("trained", "parameters", "cost"), Column("time", "s", "cost")]
    rows = []
    for method in results.methods:
        cells = [Cell(method), *(percent(results.summary(method, axis.name)) for axis in axes)]
        if compared:
            cells += [difference(results, method, axis.name) for axis in axes]
        cells += [quantity(results.summary(method, m)) for m in ("trainable_parameters", "seconds")]
        rows.append(cells)
    best = dict.fromkeys(range(1, 1 + len(axes)), max)
    return Table("Methods: mIoU, difference and cost", columns, mark_best(rows, best))


def difference(results: Results, method: str, axis: str) -> Cell:
    """Points gained or lost against fine-tune."""
    if method == BASELINE:
        return Cell(DASH)
    own, base = results.summary(method, axis).mean, results.summary(BASELINE, axis).mean
    return change(Number(own - base))


def shift_table(results: Results) -> Table:
    """Methods x shifts: mIoU."""
    columns = [Column("Method"), Column("mean"), *(Column(name) for name in results.shifts)]
    rows = [
        [
            Cell(method),
            percent(results.summary(method, "shift_mean")),
            *(percent(results.get(method, "shift", "miou", name)) for name in results.shifts),
        ]
        for method in results.methods
    ]
    return Table("mIoU by shift (%)", columns, mark_best(rows, dict.fromkeys(range(1, len(columns)), max)))


def class_heat(results: Results, classes: Sequence[str]) -> go.Figure:
    """IoU of each class on test, percent: a row a class, a column a method; white is none."""
    table = pd.DataFrame(
        {
            method: [results.get(method, "test", f"iou:{name}", "test").mean for name in classes]
            for method in results.methods
        },
        index=pd.Index(list(classes), name="class"),
    ).dropna(how="all")
    figure = go.Figure()
    figure.add_heatmap(
        x=list(range(table.shape[1])),
        y=list(range(len(table))),
        z=[[None if math.isnan(v) else round(v, 2) for v in row] for row in table.to_numpy()],
        text=[[DASH if math.isnan(v) else f"{v:.0f}" for v in row] for row in table.to_numpy()],
        customdata=[[[plot_text(m, 60), plot_text(n, 60)] for m in table.columns] for n in table.index],
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}: %{z:.1f} %<extra></extra>",
        texttemplate="%{text}",
        textfont={"size": 12},
        colorscale=_SCALE,
        zmin=0,
        zmax=100,
        showscale=False,
        xgap=1,
        ygap=1,
    )
    side = 16 + 7 * max(min(len(name), 26) for name in table.index)
    width = min(1040, side + 90 * table.shape[1] + 40)
    height = _ROW * len(table) + 48
    figure.update_layout(**plain_layout(width, height), margin={"l": side, "r": 8, "t": 40, "b": 8})
    quiet = {"fixedrange": True, "showgrid": False, "zeroline": False, "ticks": "", "showline": False}
    font = {"size": 12, "color": INK}
    names = [plot_text(name, 14) for name in table.columns]
    figure.update_xaxes(
        side="top", tickvals=list(range(len(names))), ticktext=names, tickangle=0, tickfont=font, **quiet
    )
    figure.update_yaxes(
        range=[len(table) - 0.5, -0.5], tickvals=list(range(len(table))),
        ticktext=[plot_text(name, 26) for name in table.index], tickfont=font, **quiet,
    )  # fmt: skip
    return with_data(figure, table.reset_index())


def screen_table(rows: pd.DataFrame) -> ScreenTable:
    """A row a method for the terminal: mIoU on each axis and its difference to fine-tune; 80 columns."""
    results = Results(rows)
    axes = [axis for axis in SEGMENTATION_AXES if results.has("summary", axis.name)]
    table = ScreenTable(
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True,
        caption=f"mIoU, % (difference to {BASELINE}, points), ± standard deviation between seeds",
    )  # fmt: skip
    table.add_column("method", no_wrap=True)
    for heading in (*(axis.short for axis in axes), "s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for method in results.methods:
        cells = []
        for axis in axes:
            value = percent(results.summary(method, axis.name), interval=False)
            against = difference(results, method, axis.name).text
            small = f"\n{value.small}" if value.small else ""
            cells.append(f"{value.text} ({against}){small}" if against != DASH else f"{value.text}{small}")
        table.add_row(method, *cells, f"{results.summary(method, 'seconds').mean:.0f}")
    return table
