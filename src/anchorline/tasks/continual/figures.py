"""The figures of a continual comparison: what stands in the end, curves over tasks, accuracy matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anchorline.metric import UNTOUCHED
from anchorline.report.figures.style import (
    ACCENT,
    COLOURS,
    FAINT,
    INK,
    RULE,
    axis_title,
    plain_axis,
    plain_layout,
    plot_text,
)

WIDTH = 1040  # pixels
DASHES = ("solid", "dash")
_PANELS = 3  # matrices side by side
_READABLE = 12  # tasks: numbers in the cells of a larger matrix cannot be read
_BLUES = ((0, "#ffffff"), (1, ACCENT))


def final_figure(points: pd.DataFrame, panels: dict[str, str]) -> go.Figure:
    """A dot a method and a panel a metric (`panels`: its title); bars: ± one standard deviation.

    `points`: columns method, metric, mean, deviation (NaN of one seed). The untouched encoder is a line.
    """
    methods = [m for m in dict.fromkeys(points.method) if m != UNTOUCHED]
    figure = make_subplots(
        cols=len(panels), subplot_titles=list(panels.values()), shared_yaxes=True, horizontal_spacing=0.03
    )
    for column, metric in enumerate(panels, 1):
        own = points[points.metric == metric].set_index("method")
        if UNTOUCHED in own.index:
            line = float(own.loc[UNTOUCHED, "mean"])
            figure.add_scatter(
                x=[line, line], y=[-0.5, len(methods) - 0.5], mode="lines",
                line={"color": FAINT, "width": 1.5, "dash": "dash"},
                hovertemplate=f"untouched encoder: {line:.1f}<extra></extra>", row=1, col=column,
            )  # fmt: skip
        there = [m for m in methods if m in own.index]
        figure.add_scatter(
            x=[float(own.loc[m, "mean"]) for m in there],
            y=[methods.index(m) for m in there],
            error_x={"array": own.deviation[there].fillna(0).tolist(), "color": COLOURS[0], "thickness": 1.5},
            mode="markers",
            marker={"size": 9, "color": COLOURS[0]},
            customdata=[shown(own.loc[m]) for m in there],
            text=[plot_text(m, 60) for m in there],
            hovertemplate="%{text}: %{customdata}<extra></extra>",
            row=1,
            col=column,
        )
    figure.update_layout(**plain_layout(WIDTH, 96 + 40 * len(methods)))
    figure.update_layout(margin={"l": 180, "r": 16, "t": 40, "b": 36})
    figure.update_xaxes(**plain_axis(showgrid=True, nticks=6))
    figure.update_yaxes(
        range=[len(methods) - 0.5, -0.5], tickvals=list(range(len(methods))),
        ticktext=[plot_text(m) for m in methods], fixedrange=True, showgrid=False, zeroline=False,
    )  # fmt: skip
    figure.update_annotations(font={"size": 13, "color": INK})
    return figure


def curve_figure(points: pd.DataFrame, title: str) -> go.Figure:
    """A line a method over tasks; columns method, task, mean, deviation. The untouched encoder is dotted."""
    figure = go.Figure()
    methods = [m for m in dict.fromkeys(points.method) if m != UNTOUCHED]
    for method, own in points.groupby("method", sort=False):
        if method == UNTOUCHED:
            line, size = {"color": FAINT, "width": 2, "dash": "dot"}, 0
        else:
            number = methods.index(method)
            dash = DASHES[number // len(COLOURS) % len(DASHES)]
            line, size = {"color": COLOURS[number % len(COLOURS)], "width": 2, "dash": dash}, 5
        figure.add_scatter(
            x=own.task.tolist(),
            y=own["mean"].tolist(),
            name="untouched encoder" if method == UNTOUCHED else plot_text(str(method)),
            mode="lines+markers" if size else "lines",
            line=line,
            marker={"size": size},
            customdata=[shown(point) for _, point in own.iterrows()],
            hovertemplate="after task %{x}: %{customdata}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(**plain_layout(WIDTH, 420))
    figure.update_layout(
        showlegend=True, margin={"l": 60, "r": 200, "t": 12, "b": 50}, legend={"x": 1.02, "y": 1},
    )  # fmt: skip
    last = int(points.task.max())
    figure.update_xaxes(**plain_axis(title=axis_title("tasks learnt"), showgrid=False))
    figure.update_xaxes(range=[int(points.task.min()) - 0.2, last + 0.2], dtick=max(1, round(last / 15)))
    figure.update_yaxes(**plain_axis(title=axis_title(title)))
    return figure


def matrix_figure(matrix: pd.DataFrame, methods: Sequence[str]) -> go.Figure:
    """R of each method, means over seeds: a row for what was just learnt, a column for whose test images."""
    last = int(matrix.task.max())
    rows = math.ceil(len(methods) / _PANELS)
    figure = make_subplots(
        rows=rows, cols=_PANELS, subplot_titles=[plot_text(m, 40) for m in methods],
        horizontal_spacing=0.05, vertical_spacing=0.32 / max(1, rows) ** 1.3,
    )  # fmt: skip
    for number, method in enumerate(methods):
        own = matrix[matrix.method == method].groupby(["after_task", "task"]).accuracy.mean()
        z = np.full((last, last), np.nan)
        for (after, task), value in own.items():
            z[after - 1, task - 1] = value
        text = [["" if math.isnan(v) else f"{v:.0f}" for v in row] for row in z]
        figure.add_heatmap(
            x=list(range(1, last + 1)),
            y=list(range(1, last + 1)),
            z=[[None if math.isnan(v) else round(float(v), 2) for v in row] for row in z],
            text=text,
            texttemplate="%{text}" if last <= _READABLE else None,
            textfont={"size": 11},
            coloraxis="coloraxis",
            hoverongaps=False,
            xgap=1,
            ygap=1,
            hovertemplate="after task %{y}, images of task %{x}: %{z:.1f} %<extra></extra>",
            row=number // _PANELS + 1,
            col=number % _PANELS + 1,
        )
    lowest = 10 * math.floor(matrix.accuracy.min() / 10)
    figure.update_layout(**plain_layout(WIDTH, 40 + 330 * rows))
    figure.update_layout(
        margin={"l": 48, "r": 80, "t": 40, "b": 48},
        coloraxis={
            "colorscale": _BLUES, "cmin": lowest, "cmax": 100,
            "colorbar": {"title": {"text": "%"}, "thickness": 10, "outlinewidth": 0, "len": 0.6},
        },
    )  # fmt: skip
    step = max(1, round(last / 10))
    quiet = {"fixedrange": True, "showgrid": False, "zeroline": False, "linecolor": RULE, "dtick": step}
    figure.update_xaxes(tick0=1, tickfont={"size": 11}, **quiet)
    figure.update_yaxes(tick0=1, autorange="reversed", tickfont={"size": 11}, **quiet)
    for row in range(1, rows + 1):
        figure.update_yaxes(title=axis_title("after task"), row=row, col=1)
    for number in range(len(methods)):
        if number + _PANELS >= len(methods):
            figure.update_xaxes(
                title=axis_title("test images of task"), row=number // _PANELS + 1, col=number % _PANELS + 1
            )
    figure.update_annotations(font={"size": 13, "color": INK})
    return figure


def shown(point: pd.Series) -> str:
    """The mean with its deviation, if there is one."""
    spread = "" if math.isnan(point.deviation) else f" ± {point.deviation:.1f}"
    return f"{round(float(point['mean']), 1) + 0.0:.1f}{spread}"  # no minus before a zero
