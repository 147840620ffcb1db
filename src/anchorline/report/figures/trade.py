"""The Pareto plot: two axes against each other, such as in distribution against under shift."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import plotly.graph_objects as go

from anchorline.metric import UNTOUCHED, Axis
from anchorline.report.figures.labels import Box, place, segment
from anchorline.report.figures.style import (
    ACCENT,
    FAINT,
    INK,
    RULE,
    axis_title,
    plain_layout,
    plot_text,
    with_data,
)
from anchorline.report.numbers import Number, Results

# The size is fixed in pixels, so labels that do not overlap here never do.
WIDTH, HEIGHT = 1040, 520
MARGIN = {"l": 64, "r": 16, "t": 12, "b": 56}
INNER = (WIDTH - MARGIN["l"] - MARGIN["r"], HEIGHT - MARGIN["t"] - MARGIN["b"])
PAD = 0.1  # room around the points, as a share of their range
LABEL_SIZE = 13  # pixels
LABEL_LENGTH = 28  # characters
CUT = 3.0  # the scale reaches so many times as far down as three quarters of the methods


@dataclass(frozen=True)
class Point:
    method: str
    x: Number
    y: Number
    beyond: bool = False  # too far below the others to share a scale with them: drawn at the edge

    @property
    def label(self) -> str:
        name = self.method if len(self.method) <= LABEL_LENGTH else self.method[: LABEL_LENGTH - 1] + "…"
        return f"{name} ({self.x.mean:.1f} / {self.y.mean:.1f})" if self.beyond else name


def trade(results: Results, axes: tuple[Axis, Axis], titles: tuple[str, str]) -> go.Figure | None:
    """One axis against another, percent, under these titles; one marker a method.

    None where no method has both.
    """
    across, up = axes
    every = [Point(m, results.of_axis(m, across), results.of_axis(m, up)) for m in results.methods]
    points = [p for p in every if math.isfinite(p.x.mean) and math.isfinite(p.y.mean)]
    if not points:
        return None
    front = pareto_front([(p.x.mean, p.y.mean) for p in points])
    # Methods on the front come first: they get the best places for their labels.
    x_least, y_least = _least([p.x.mean for p in points]), _least([p.y.mean for p in points])
    rest = [
        replace(p, beyond=p.method != UNTOUCHED and (p.x.mean < x_least or p.y.mean < y_least))
        for i, p in enumerate(points)
        if i not in front
    ]
    points = [points[i] for i in front] + sorted(rest, key=lambda p: p.beyond)
    inside = [p for p in points if not p.beyond]
    figure = go.Figure()
    figure.update_layout(**plain_layout(WIDTH, HEIGHT), margin=MARGIN)
    x_range, y_range = _range([p.x for p in inside]), _range([p.y for p in inside])
    _add_points(figure, inside, len(front), axes)
    _add_beyond(figure, points[len(inside) :], x_range, y_range, axes)
    axis = {"gridcolor": RULE, "zeroline": False, "fixedrange": True, "nticks": 8}
    axis |= {"showline": True, "linecolor": FAINT, "ticks": "outside", "tickcolor": FAINT}
    figure.update_xaxes(title=axis_title(titles[0]), range=x_range, **axis)
    figure.update_yaxes(title=axis_title(titles[1]), range=y_range, **axis)
    _add_labels(figure, points, len(front), x_range, y_range)
    return with_data(figure, _table(points, len(front), axes))


def _table(points: Sequence[Point], front: int, axes: tuple[Axis, Axis]) -> pd.DataFrame:
    rows = []
    for index, point in enumerate(points):
        row: dict[str, object] = {"method": point.method, "on_front": index < front}
        for axis, number in zip(axes, (point.x, point.y), strict=True):
            row |= {axis.name: number.mean, f"{axis.name}_low": number.low, f"{axis.name}_high": number.high}
            row |= {f"{axis.name}_sd": number.deviation}
        rows.append(row | {"seeds": point.x.seeds})
    return pd.DataFrame(rows)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other point beats, by growing x."""
    order = sorted(range(len(points)), key=lambda i: points[i], reverse=True)
    front: list[int] = []
    best = -math.inf
    for index in order:
        if points[index][1] > best:
            front.append(index)
            best = points[index][1]
    return front[::-1]


def _add_points(figure: go.Figure, points: Sequence[Point], front: int, axes: tuple[Axis, Axis]) -> None:
    """The markers, with error bars and what they say on hovering; the first `front` joined."""
    figure.add_scatter(
        x=[p.x.mean for p in points[:front]],
        y=[p.y.mean for p in points[:front]],
        mode="lines",
        line={"color": ACCENT, "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
    )
    edges = [ACCENT] * front + [FAINT] * (len(points) - front)
    figure.add_scatter(
        x=[p.x.mean for p in points],
        y=[p.y.mean for p in points],
        error_x=_bars([p.x for p in points]),
        error_y=_bars([p.y for p in points]),
        mode="markers",
        marker={
            "size": [13 if p.method == UNTOUCHED else 11 for p in points],
            "symbol": ["diamond" if p.method == UNTOUCHED else "circle" for p in points],
            "color": [ACCENT] * front + ["#ffffff"] * (len(points) - front),
            "line": {"color": edges, "width": 2},
            "opacity": 1,
        },
        customdata=[[plot_text(p.method, 60), _spread(p.x), _spread(p.y)] for p in points],
        hovertemplate=f"<b>%{{customdata[0]}}</b><br>{axes[0].mean}: %{{x:.1f}} %%{{customdata[1]}}"
        f"<br>{axes[1].mean}: %{{y:.1f}} %%{{customdata[2]}}<extra></extra>",
    )


def _errors(number: Number) -> tuple[float, float]:
    below, above = number.error
    return (0.0 if math.isnan(below) else below), (0.0 if math.isnan(above) else above)


def _bars(numbers: Sequence[Number]) -> dict[str, object]:
    below, above = zip(*map(_errors, numbers), strict=True)
    bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
    return bars | {"color": "#b9bfc5", "thickness": 1, "width": 0}


def _least(values: Sequence[float]) -> float:
    """Below it a point is cut off: three quarters of the methods would else share a corner of the plot."""
    ranked = sorted(values, reverse=True)
    bulk = ranked[0] - ranked[(3 * len(ranked) - 1) // 4]
    return ranked[0] - CUT * max(bulk, 2.0)


def _at_edge(point: Point, x_range: tuple[float, float], y_range: tuple[float, float]) -> tuple[float, float]:
    """Where a point is drawn: at its place, or at the edge nearest to it."""
    if not point.beyond:
        return point.x.mean, point.y.mean
    room = [0.015 * (end - start) for start, end in (x_range, y_range)]
    return max(point.x.mean, x_range[0] + room[0]), max(point.y.mean, y_range[0] + 1.5 * room[1])


def _add_beyond(
    figure: go.Figure,
    points: Sequence[Point],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    axes: tuple[Axis, Axis],
) -> None:
    """Points that are cut off, as triangles that point to where they lie."""
    at = [_at_edge(p, x_range, y_range) for p in points]
    figure.add_scatter(
        x=[x for x, _ in at],
        y=[y for _, y in at],
        mode="markers",
        marker={
            "size": 11,
            "symbol": ["triangle-left" if p.x.mean < x_range[0] else "triangle-down" for p in points],
            "color": "#ffffff",
            "line": {"color": FAINT, "width": 2},
            "opacity": 1,
        },
        customdata=[[plot_text(p.method, 60), p.x.mean, p.y.mean] for p in points],
        hovertemplate="<b>%{customdata[0]}</b><br>beyond the scale: "
        f"{axes[0].mean} %{{customdata[1]:.1f}} %, {axes[1].mean} %{{customdata[2]:.1f}} %<extra></extra>",
    )


def _spread(number: Number) -> str:
    if number.seeds > 1:
        return f" ± {number.deviation:.1f}"
    return "" if math.isnan(number.low) else f" [{number.low:.1f} to {number.high:.1f}]"


def _range(numbers: Sequence[Number]) -> tuple[float, float]:
    """Ends of an axis that holds every number and its error bar, with room for labels."""
    low = min(n.mean - _errors(n)[0] for n in numbers)
    high = max(n.mean + _errors(n)[1] for n in numbers)
    room = max((high - low) * PAD, 0.5)
    return low - room, high + room


def _add_labels(
    figure: go.Figure,
    points: Sequence[Point],
    front: int,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
) -> None:
    """The methods' names, beside their markers or at the end of a thin leader."""
    across = INNER[0] / (x_range[1] - x_range[0])  # pixels per point
    down = INNER[1] / (y_range[1] - y_range[0])
    shown = [_at_edge(p, x_range, y_range) for p in points]
    at = [((x - x_range[0]) * across, (y_range[1] - y) * down) for x, y in shown]
    lines: list[Box] = []
    for (x, y), point in zip(at, points, strict=True):
        if point.beyond:
            continue
        (left, right), (below, above) = _errors(point.x), _errors(point.y)
        lines.append((x - left * across, y - 1, x + right * across, y + 1))
        lines.append((x - 1, y - above * down, x + 1, y + below * down))
    for a, b in itertools.pairwise(at[:front]):
        lines += segment(*a, *b)
    widths = [len(p.label) * LABEL_SIZE * 0.6 for p in points]
    places = place(at, widths, LABEL_SIZE * 1.2, INNER, lines)
    for index, (point, spot) in enumerate(zip(points, places, strict=True)):
        if spot is None:
            continue
        dx, dy, leader = spot
        figure.add_annotation(
            x=shown[index][0],
            y=shown[index][1],
            ax=dx,
            ay=dy,
            text=plot_text(point.label, 2 * LABEL_LENGTH),
            font={"size": LABEL_SIZE, "color": INK if index < front else "#5b636b"},
            borderpad=0,
            showarrow=True,  # plotly places by pixels only what has an arrow
            arrowhead=0,
            arrowwidth=1,
            standoff=7,
            arrowcolor="#b9bfc5" if leader else "rgba(0,0,0,0)",
        )
