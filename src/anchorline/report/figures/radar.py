"""Radars: what each method changed on the three axes, one small radar a method."""

import math
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anchorline.metric import CLASSIFICATION_AXES, UNTOUCHED
from anchorline.report.figures.style import (
    ACCENT,
    FAINT,
    INK,
    OTHER,
    RULE,
    plain_layout,
    plot_text,
    with_data,
)
from anchorline.report.numbers import Number, Results
from anchorline.report.tables.cells import change

CHANGES = {axis.change: axis.short for axis in CLASSIFICATION_AXES}
COLUMNS, MOST = 4, 12  # radars side by side, and in all
STEP = 5  # points: the ends of the scale are multiples
WIDTH, RADAR, GAP = 1040, 164, 76  # pixels: the figure, a radar's height, what lies between two rows
MARGIN = {"l": 56, "r": 56, "t": 68, "b": 4}
TONES = {"gain": ACCENT, "loss": OTHER, "": INK}


@dataclass(frozen=True)
class Radars:
    """The figure with its scale: points of change at the centre and at the corners."""

    figure: go.Figure
    centre: int
    corner: int
    shown: int
    left_out: int


def radars(results: Results) -> Radars | None:
    """The adapted methods' changes against the untouched encoder, in points.

    All axes of all radars share one scale, so that neither a small change nor a single axis looks larger than
    it is. None where no adapted method has all three axes.
    """
    found = {m: [results.summary(m, axis) for axis in CHANGES] for m in results.methods if m != UNTOUCHED}
    found = {m: c for m, c in found.items() if all(math.isfinite(n.mean) for n in c)}
    if not found:
        return None
    corner = _scale(max(n.mean for c in found.values() for n in c))
    # The untouched encoder's triangle is at least half as large as the radar: smaller ones are hard to read.
    centre = -max(corner, _scale(-min(n.mean for c in found.values() for n in c)))
    shown = dict(list(found.items())[:MOST])
    rows = -(-len(shown) // COLUMNS)
    height = RADAR * rows + GAP * (rows - 1)
    figure = make_subplots(
        rows=rows,
        cols=COLUMNS,
        specs=[[{"type": "polar"}] * COLUMNS] * rows,
        subplot_titles=[f"<b>{plot_text(m)}</b>" for m in shown],
        horizontal_spacing=0.08,
        vertical_spacing=GAP / height,
    )
    for index, changes in enumerate(shown.values()):
        _add_radar(figure, index, changes, (centre, corner))
    height += MARGIN["t"] + MARGIN["b"]
    figure.update_layout(**plain_layout(WIDTH, height), margin=MARGIN)
    figure.update_annotations(font={"size": 13, "color": INK}, yshift=36)
    table = [{"method": m} | {a: n.mean for a, n in zip(CHANGES, c, strict=True)} for m, c in found.items()]
    figure = with_data(figure, pd.DataFrame(table))
    return Radars(figure, centre, corner, len(shown), len(found) - len(shown))


def _scale(points: float) -> int:
    return STEP * max(math.ceil(points / STEP), 1)


def _add_radar(figure: go.Figure, index: int, changes: list[Number], scale: tuple[int, int]) -> None:
    # The names of the axes, with the change below, are the categories of the angle.
    cell = {"row": index // COLUMNS + 1, "col": index % COLUMNS + 1}
    means = [n.mean for n in changes]
    labels = [_label(name, number) for name, number in zip(CHANGES.values(), changes, strict=True)]
    around = {"theta": [*labels, labels[0]], "mode": "lines", "hoverinfo": "skip"}
    untouched = {"color": INK, "width": 1, "dash": "dot"}
    figure.add_scatterpolar(r=[0.0] * len(around["theta"]), line=untouched, **around, **cell)
    figure.add_scatterpolar(
        r=[*means, means[0]],
        line={"color": ACCENT, "width": 2},
        fill="toself",
        fillcolor="rgba(0,114,178,0.14)",
        **around,
        **cell,
    )
    figure.update_polars(
        gridshape="linear",
        bgcolor="rgba(0,0,0,0)",
        angularaxis={
            "type": "category",  # only such an axis has a grid of straight lines
            "direction": "clockwise",
            "rotation": 90,
            "tickfont": {"size": 12},
            "gridcolor": RULE,
            "linecolor": FAINT,
            "ticks": "",
        },
        radialaxis={"range": scale, "visible": False},
        **cell,
    )


def _label(axis: str, number: Number) -> str:
    shown = change(number)
    return f'{axis}<br><span style="color:{TONES[shown.tone]}"><b>{shown.text}</b></span>'
