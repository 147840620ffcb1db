"""Corruptions: a metric such as accuracy against severity, and its mean by corruption."""

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anchorline.metric import UNTOUCHED, Axis, capitalized
from anchorline.report.figures.style import (
    COLOURS,
    INK,
    axis_title,
    plain_axis,
    plain_layout,
    plot_text,
    with_data,
)
from anchorline.report.numbers import Number, Results
from anchorline.report.tables.cells import Cell, Column, Table, mark_best, percent
from anchorline.suites.images.corruptions import GROUPS

ALL = "mean of all"
SIDE_BY_SIDE, WIDTH, PANEL = 4, 1040, 176  # panels in a row; pixels: the figure, a row of panels
NAMED = len(COLOURS)  # methods with a colour of their own, beside the untouched encoder
PALE = "#c9ced3"


def families(results: Results) -> dict[str, list[str]]:
    """The corruptions that were tried, by family; those of no known family are called "other"."""
    tried = dict.fromkeys(name.rpartition("/")[0] for name in results.corruptions)
    found = {family: [n for n in names if n in tried] for family, names in GROUPS.items()}
    found["other"] = [n for n in tried if not any(n in names for names in GROUPS.values())]
    return {family: names for family, names in found.items() if names}


def corruption_table(results: Results, axis: Axis) -> Table:
    """Methods x corruptions: the metric of the axis, the mean over its severities; and the mean over all."""
    columns, names = [Column("Method"), Column("mean", "", "All")], []
    for family, own in families(results).items():
        names += own
        columns += [Column(n.replace("_", " "), "", family.capitalize()) for n in own]
    by_name = _severities(results)
    rows = [
        [
            Cell(method),
            percent(_mean_of_all(results, method, axis)),
            *(percent(_mean(results, method, axis, name, by_name[name])) for name in names),
        ]
        for method in results.methods
    ]
    best = dict.fromkeys(range(1, len(columns)), max)
    label = f"{capitalized(axis.measure)} by corruption (%), mean over severities"
    return Table(label, columns, mark_best(rows, best))


def severity_curves(results: Results, clean: Axis, axis: Axis) -> go.Figure | None:
    """The metric of an axis against severity: one panel a corruption, one line a method.

    Severity 0 is the test set, by the axis `clean`.

    The methods that hold up best have colours, the others are grey. None where no corruption was tried.
    """
    if not results.corruptions:
        return None
    by_name = _severities(results)
    rows = _rows(families(results))
    figure = make_subplots(
        rows=len(rows),
        cols=SIDE_BY_SIDE,
        shared_xaxes="all",
        shared_yaxes="all",
        subplot_titles=[_title(n) for row in rows for n in (*row, *[""] * (SIDE_BY_SIDE - len(row)))],
        horizontal_spacing=0.025,
        vertical_spacing=0.28 / len(rows) if len(rows) > 1 else 0,
    )
    named = coloured(results, axis)
    rest = [m for m in results.methods if m not in named]
    lines = {
        (name, method): _line(results, method, (clean, axis), by_name, name)
        for row in rows
        for name in row
        for method in results.methods
    }
    for r, row in enumerate(rows, 1):
        for c, name in enumerate(row, 1):
            first = (r, c) == (1, 1)
            for trace in _panel({m: lines[name, m] for m in results.methods}, rest, named, first):
                figure.add_trace(trace, row=r, col=c)
            # Shared axes hide the ticks of all but the lowest row, which may end before this column does.
            if r == len(rows) or c > len(rows[r]):
                cell = {"row": r, "col": c}
                figure.update_xaxes(title=axis_title("severity"), showticklabels=True, **cell)
    figure.update_xaxes(**plain_axis(showgrid=False), range=[-0.2, 5.2], dtick=1)
    # A method that fails must not flatten the curves of the others: grey lines may run out below.
    values = [y for (_, method), line in lines.items() for _, y in line if method in named]
    ends = [max(0.0, min(values) - 8), min(100.0, max(values) + 3)] if values else [0, 100]
    figure.update_yaxes(**plain_axis(showline=False, ticks=""), nticks=5, range=ends)
    figure.update_yaxes(title=axis_title(f"{axis.measure} (%)"), title_standoff=6, col=1)
    for r, row in enumerate(rows, 1):
        for c in range(len(row) + 1, SIDE_BY_SIDE + 1):
            figure.update_xaxes(visible=False, row=r, col=c)
            figure.update_yaxes(visible=False, row=r, col=c)
    legend = {"orientation": "h", "x": 0, "y": 1, "yref": "container", "yanchor": "top"}
    layout = plain_layout(WIDTH, PANEL * len(rows) + 110) | {"showlegend": True, "legend": legend}
    figure.update_layout(**layout, margin={"l": 52, "r": 8, "t": 66, "b": 50})
    figure.update_annotations(font={"size": 13, "color": INK})
    tidy = [
        {"corruption": name, "method": method, "severity": x, axis.metric: y}
        for (name, method), line in lines.items()
        for x, y in line
    ]
    return with_data(figure, pd.DataFrame(tidy))


def coloured(results: Results, axis: Axis) -> list[str]:
    """The methods with the highest mean over all corruptions, and the untouched encoder first."""
    means = {m: _mean_of_all(results, m, axis).mean for m in results.methods if m != UNTOUCHED}
    best = sorted((m for m in means if math.isfinite(means[m])), key=lambda m: -means[m])[:NAMED]
    return [m for m in results.methods if m == UNTOUCHED] + best


def _title(name: str) -> str:
    return f"<b>{ALL}</b>" if name == ALL else plot_text(name.replace("_", " "))


def _rows(found: dict[str, list[str]]) -> list[list[str]]:
    """Panels in rows, a family on each; the mean of all stands where the first row with room ends."""
    rows = [
        names[i : i + SIDE_BY_SIDE] for names in found.values() for i in range(0, len(names), SIDE_BY_SIDE)
    ]
    if rows == [] or len(rows[0]) == SIDE_BY_SIDE:
        return [[ALL], *rows]
    return [[ALL, *rows[0]], *rows[1:]]


def _panel(
    lines: dict[str, list[tuple[int, float]]], rest: Sequence[str], named: Sequence[str], first: bool
) -> Iterator[go.Scatter]:
    # All grey lines are one trace with gaps: sixty methods would else be a thousand traces.
    x: list[int | None] = []
    y: list[float | None] = []
    said: list[str] = []
    for method in rest:
        x += [*(s for s, _ in lines[method]), None]
        y += [*(v for _, v in lines[method]), None]
        said += [plot_text(method, 60)] * (len(lines[method]) + 1)
    hover = "<b>%{customdata}</b><br>severity %{x}: %{y:.1f} %<extra></extra>"
    if rest:
        yield go.Scatter(
            x=x, y=y, customdata=said, hovertemplate=hover, mode="lines", line={"color": PALE, "width": 1},
            name="others", legendgroup="others", showlegend=first, legendrank=2000,
        )  # fmt: skip
    colours = iter(COLOURS)
    for method in named:
        style = (
            {"color": INK, "width": 1.5, "dash": "dot"} if method == UNTOUCHED else {"color": next(colours)}
        )
        yield go.Scatter(
            x=[s for s, _ in lines[method]],
            y=[v for _, v in lines[method]],
            customdata=[plot_text(method, 60)] * len(lines[method]),
            hovertemplate=hover,
            mode="lines+markers",
            line={"width": 2} | style,
            marker={"size": 5 if method != UNTOUCHED else 3, "color": style["color"]},
            name=plot_text(method),
            legendgroup=method,
            showlegend=first,
        )


def _severities(results: Results) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in results.corruptions:
        name, _, severity = one.rpartition("/")
        found.setdefault(name, []).append(int(severity))
    return {name: sorted(severities) for name, severities in found.items()}


def _line(
    results: Results, method: str, axes: tuple[Axis, Axis], by_name: dict[str, list[int]], name: str
) -> list[tuple[int, float]]:
    """(severity, value) from the clean test set on; of all corruptions the mean at each severity."""
    clean, axis = axes
    points = [(0, results.of_axis(method, clean).mean)]
    for severity in sorted({s for own in by_name.values() for s in own}):
        names = [n for n, own in by_name.items() if severity in own and name in (n, ALL)]
        if name == ALL and len(names) < len(by_name):
            continue  # a mean of other corruptions than at the other severities
        each = [results.get(method, axis.role, axis.metric, f"{n}/{severity}").mean for n in names]
        if each:
            points.append((severity, fmean(each)))
    return [(s, v) for s, v in points if math.isfinite(v)]


def _mean(results: Results, method: str, axis: Axis, name: str, severities: Sequence[int]) -> Number:
    each = [results.get(method, axis.role, axis.metric, f"{name}/{s}").mean for s in severities]
    return Number(fmean(each))


def _mean_of_all(results: Results, method: str, axis: Axis) -> Number:
    found = results.summary(method, axis.name)
    if not math.isnan(found.mean):
        return found
    return Number(fmean(results.get(method, axis.role, axis.metric, n).mean for n in results.corruptions))
