"""Confidence: reliability diagrams, risk against coverage, and the table of calibration errors."""

import math
from functools import cache

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anchorline.report.details import MethodDetails
from anchorline.report.figures.style import (
    ACCENT,
    COLOURS,
    FAINT,
    INK,
    OTHER,
    axis_title,
    plain_axis,
    plain_layout,
    plot_text,
    with_data,
)
from anchorline.report.numbers import Results
from anchorline.report.tables.cells import Cell, Column, Table, decimal, mark_best

SCALED = "scaled"  # the score of what temperature scaling gives
ERRORS = {"ece": ("ECE", "%", 1), "nll": ("NLL", "nats", 2), "brier": ("Brier", "0 to 2", 2)}
FACETS, WIDTH, PANEL = 4, 1040, 236  # diagrams side by side; pixels: the figure, a row of diagrams


def places(results: Results) -> list[tuple[str, str]]:
    """(role, set) of what has calibration errors: test, then the shifts."""
    found = {(key[0], key[2]) for key in results.held if key[0] in ("test", "shift") and key[1] in ERRORS}
    order = [*(key for key in found if key[0] == "test"), *(("shift", s) for s in results.shifts)]
    return [place for place in order if place in found]


def calibration_table(results: Results, role: str, name: str) -> Table:
    """Methods x errors on one set, before and after temperature scaling; the least is marked."""
    columns, metrics, tables = [Column("Method")], [], {"": "As it is", SCALED: "Temperature-scaled"}
    for score, group in tables.items():
        for metric, (title, unit, _) in ERRORS.items():
            if (role, metric, name, score, "") in results.held:
                columns.append(Column(title, unit, group))
                metrics.append((metric, score))
    if (role, "aurc", name, "msp", "") in results.held:
        columns.append(Column("AURC", "%", "Selective"))
        metrics.append(("aurc", "msp"))
    decimals = {metric: row[2] for metric, row in ERRORS.items()}
    rows = [
        [
            Cell(method),
            *(decimal(results.get(method, role, m, name, s), decimals.get(m, 1)) for m, s in metrics),
        ]
        for method in results.methods
    ]
    best = dict.fromkeys(range(1, len(columns)), min)
    return Table(f"Calibration: {name}", columns, mark_best(rows, best))


def reliability(details: MethodDetails) -> go.Figure | None:
    """Accuracy against confidence, a diagram a set, before and after temperature scaling; None without."""
    if not details.reliability:
        return None
    traces: list[dict[str, object]] = []
    for index, bins in enumerate(details.reliability.values()):
        traces += _diagram(index, bins)
    # A figure a method, all alike but for the points: the frame is made once.
    figure = go.Figure({"data": traces, "layout": _frame(tuple(details.reliability))})
    frames = [bins.assign(set=name) for name, bins in details.reliability.items()]
    return with_data(figure, pd.concat(frames)[["set", "scaled", "confidence", "accuracy", "share"]])


def _diagram(index: int, bins: pd.DataFrame) -> list[dict[str, object]]:
    """Traces of one diagram: the diagonal, and the bins before and after scaling."""
    axes = {"type": "scatter", "xaxis": f"x{index + 1}", "yaxis": f"y{index + 1}"}
    ideal = {
        "x": [0, 100],
        "y": [0, 100],
        "mode": "lines",
        "line": {"color": FAINT, "width": 1, "dash": "dot"},
    }
    traces: list[dict[str, object]] = [axes | ideal | {"hoverinfo": "skip", "showlegend": False}]
    for scaled, label, colour in ((False, "as it is", OTHER), (True, "temperature-scaled", ACCENT)):
        own = bins[bins["scaled"].astype(bool) == scaled].dropna(subset=["confidence", "accuracy"])
        if own.empty:
            continue
        # An area in proportion to the share of images.
        size = [3 + 16 * math.sqrt(share) for share in own["share"]]
        traces.append(
            axes
            | {
                "x": (100 * own["confidence"]).tolist(),
                "y": (100 * own["accuracy"]).tolist(),
                "mode": "lines+markers",
                "line": {"color": colour, "width": 1.5},
                "marker": {"size": size, "opacity": 0.75, "line": {"width": 0}},
                "customdata": (100 * own["share"]).tolist(),
                "hovertemplate": f"{label}: confidence %{{x:.1f}} %, right %{{y:.1f}} %"
                "<br>%{customdata:.1f} % of images<extra></extra>",
                "name": label,
                "legendgroup": label,
                "showlegend": index == 0,
            }
        )
    return traces


@cache
def _frame(sets: tuple[str, ...]) -> dict[str, object]:
    """The layout of a diagram a set, without its points."""
    rows = math.ceil(len(sets) / FACETS)
    height = PANEL * rows + 60
    figure = make_subplots(
        rows=rows,
        cols=FACETS,
        subplot_titles=[plot_text(name) for name in sets],
        horizontal_spacing=0.035,
        vertical_spacing=90 / height,
    )
    figure.update_xaxes(**plain_axis(showgrid=False), range=[-3, 103], dtick=25)
    figure.update_yaxes(**plain_axis(), range=[-3, 103], dtick=25, showticklabels=False)
    figure.update_yaxes(title=axis_title("right (%)"), title_standoff=4, showticklabels=True, col=1)
    for index in range(rows * FACETS):
        cell = {"row": index // FACETS + 1, "col": index % FACETS + 1}
        if index >= len(sets):
            figure.update_xaxes(visible=False, **cell)
            figure.update_yaxes(visible=False, **cell)
        elif index + FACETS >= len(sets):  # the lowest of its column
            figure.update_xaxes(title=axis_title("confidence (%)"), **cell)
    legend = {"orientation": "h", "x": 0, "y": 1, "yref": "container", "yanchor": "top"}
    layout = plain_layout(WIDTH, height) | {"showlegend": True, "legend": legend}
    figure.update_layout(**layout, margin={"l": 52, "r": 8, "t": 58, "b": 50})
    figure.update_annotations(font={"size": 13, "color": INK})
    return dict(figure.to_dict()["layout"])


def risk_coverage(details: MethodDetails) -> go.Figure | None:
    """Share wrong among the images answered, against the share answered: one line a set; None without."""
    if not details.risk_coverage:
        return None
    figure = go.Figure()
    for index, (name, curve) in enumerate(details.risk_coverage.items()):
        dash = ("solid", "dash", "dot")[index // len(COLOURS) % 3]
        figure.add_scatter(
            x=(100 * curve["coverage"]).tolist(),
            y=(100 * curve["risk"]).tolist(),
            mode="lines",
            line={"color": COLOURS[index % len(COLOURS)], "width": 2.5 if index == 0 else 1.5, "dash": dash},
            name=plot_text(name),
            hovertemplate="<b>%{fullData.name}</b><br>answering %{x:.1f} %: %{y:.1f} % wrong<extra></extra>",
        )
    titles = "share answered, the most confident first (%)", "wrong among the answered (%)"
    figure.update_xaxes(**plain_axis(showgrid=False), range=[0, 101], title=axis_title(titles[0]))
    figure.update_yaxes(**plain_axis(), rangemode="tozero", title=axis_title(titles[1]), title_standoff=8)
    layout = plain_layout(WIDTH, 320) | {"showlegend": True, "legend": {"x": 1.01, "y": 1}}
    figure.update_layout(**layout, margin={"l": 56, "r": 16, "t": 12, "b": 50})
    frames = [curve.assign(set=name) for name, curve in details.risk_coverage.items()]
    return with_data(figure, pd.concat(frames)[["set", "coverage", "risk"]])
