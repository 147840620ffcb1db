"""The figure of an ablation: a panel an axis, lines against a number or dots against categories."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anchorline.experiments.ablation.table import SINGLE_CAPTION
from anchorline.metric import CLASSIFICATION_AXES, UNTOUCHED
from anchorline.report.figures.style import (
    ACCENT,
    FAINT,
    INK,
    OTHER,
    RULE,
    axis_title,
    plain_layout,
    plot_text,
)

PANELS = {axis.name: axis.panel for axis in CLASSIFICATION_AXES}
WIDTH = 1040  # pixels
COLOURS = ((ACCENT, "rgba(0,114,178,0.16)"), (OTHER, "rgba(213,94,0,0.14)"))  # of lines and their bands
DASHES = (("dash", INK), ("dot", FAINT))  # of the untouched encoder
REFERENCES = {
    UNTOUCHED: "untouched encoder",
    SINGLE_CAPTION: "untouched encoder, one caption a class",
}
LEAST = 4.0  # points: no panel spans fewer
PAD = 0.08  # room at either end of a panel, as a share of its span


def ablation_figure(points: pd.DataFrame, axis: str) -> go.Figure:
    """`points` are those of `page.points_of`; `axis` is "" where variants are categories."""
    known = [a for a in PANELS if (points.axis == a).any()]
    figure = make_subplots(
        cols=len(known),
        subplot_titles=[PANELS[a] for a in known],
        horizontal_spacing=0.06 if axis else 0.03,
        shared_yaxes=not axis,
    )
    for column, name in enumerate(known, 1):
        own = points[points.axis == name]
        traces = _lines(own, column == 1) if axis else _dots(own, column == 1)
        for trace in traces:
            figure.add_trace(trace, row=1, col=column)
    variants = list(dict.fromkeys(split(points)[1].variant))
    height = 380 if axis else 150 + 48 * len(variants)
    figure.update_layout(**plain_layout(WIDTH, height), margin={"l": 44, "r": 16, "t": 84, "b": 56})
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1 + 46 / (height - 140), "yanchor": "bottom"},
    )
    lines = {"zeroline": False, "fixedrange": True, "linecolor": FAINT, "showline": True, "gridcolor": RULE}
    figure.update_xaxes(ticks="outside", tickcolor=FAINT, **lines)
    figure.update_yaxes(**lines)
    figure.update_annotations(font={"size": 13, "color": INK})
    for column, ends in enumerate(_ranges(points, known), 1):
        update = figure.update_yaxes if axis else figure.update_xaxes
        update(range=ends, row=1, col=column)
    if axis:
        figure.update_xaxes(title=axis_title(axis))
    else:
        figure.update_layout(margin={"l": 190})
        figure.update_xaxes(nticks=6)
        figure.update_yaxes(
            range=[len(variants) - 0.5, -0.5],
            tickvals=list(range(len(variants))),
            ticktext=[plot_text(v) for v in variants],
            showgrid=False,
        )
    return figure


def _lines(points: pd.DataFrame, legend: bool) -> Iterator[go.Scatter]:
    """Against a number: means as lines, deviations as bands."""
    untouched, varied = split(points)
    ends = [varied.x.min(), varied.x.max()]
    for mean, method, line in _references(untouched):
        yield _reference(ends, [mean, mean], method, line, mean, legend)
    for (method, own), (colour, band) in zip(varied.groupby("method", sort=False), COLOURS, strict=False):
        at = own.x.tolist()
        if own.deviation.notna().all():
            edge = [*(own["mean"] + own.deviation), *(own["mean"] - own.deviation)[::-1]]
            yield go.Scatter(
                x=[*at, *at[::-1]], y=edge, mode="lines", fill="toself", fillcolor=band,
                line={"width": 0}, hoverinfo="skip", showlegend=False, legendgroup=method,
            )  # fmt: skip
        yield go.Scatter(
            x=at, y=own["mean"].tolist(), mode="lines+markers",
            line={"color": colour, "width": 2}, marker={"size": 6},
            **_named(method, own, legend, "%{x}: %{customdata}"),
        )  # fmt: skip


def _dots(points: pd.DataFrame, legend: bool) -> Iterator[go.Scatter]:
    """Against categories: one row each, means as dots, deviations as bars."""
    untouched, varied = split(points)
    variants = list(dict.fromkeys(varied.variant))
    count = varied.method.nunique()
    for mean, method, line in _references(untouched):
        yield _reference([mean, mean], [-0.5, len(variants) - 0.5], method, line, mean, legend)
    for number, ((method, own), (colour, _)) in enumerate(
        zip(varied.groupby("method", sort=False), COLOURS, strict=False)
    ):
        aside = 0.24 * (number - (count - 1) / 2)
        yield go.Scatter(
            x=own["mean"].tolist(), y=[variants.index(v) + aside for v in own.variant], mode="markers",
            marker={"size": 9, "color": colour},
            error_x={"array": own.deviation.fillna(0).tolist(), "color": colour, "thickness": 1.5},
            **_named(method, own, legend, "%{customdata}"),
        )  # fmt: skip


def _named(method: object, own: pd.DataFrame, legend: bool, hover: str) -> dict[str, object]:
    name = plot_text(str(method), 44)
    return {
        "name": name,
        "legendgroup": str(method),
        "showlegend": legend,
        "customdata": [f"{shown(point)} %" for _, point in own.iterrows()],
        "hovertemplate": f"{name}, {hover}<extra></extra>",
    }


def _references(untouched: pd.DataFrame) -> Iterator[tuple[float, str, dict[str, object]]]:
    for (_, one), (dash, colour) in zip(untouched.iterrows(), DASHES, strict=False):
        yield float(one["mean"]), str(one.method), {"color": colour, "width": 1.5, "dash": dash}


def _reference(
    x: Sequence[float], y: Sequence[float], method: str, line: dict[str, object], mean: float, legend: bool
) -> go.Scatter:
    return go.Scatter(
        x=x, y=y, mode="lines", line=line,
        name=REFERENCES[method], legendgroup=method, showlegend=legend, legendrank=1001,
        hovertemplate=f"{REFERENCES[method]}: {mean:.1f} %<extra></extra>",
    )  # fmt: skip


def _ranges(points: pd.DataFrame, axes: Sequence[str]) -> list[tuple[float, float]]:
    """Ends of the value axes: equally long, each around its own values."""
    deviation = points.deviation.fillna(0)
    low = (points["mean"] - deviation).groupby(points.axis).min()[list(axes)]
    high = (points["mean"] + deviation).groupby(points.axis).max()[list(axes)]
    span = max(LEAST, float((high - low).max())) * (1 + 2 * PAD)
    room = span * PAD  # there is hardly anything beyond 0 and 100 %
    starts = ((low + high - span) / 2).clip(upper=100 + room - span).clip(lower=-room)
    return [(float(start), float(start + span)) for start in starts]


def split(points: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The points of the untouched encoder, and those of the variants."""
    reference = points.variant == "untouched"
    return points[reference], points[~reference]


def shown(point: pd.Series) -> str:
    """The mean with its deviation, if there is one."""
    spread = "" if math.isnan(point.deviation) else f" ± {point.deviation:.1f}"
    return f"{point['mean']:.1f}{spread}"
