"""Figures of the layers: how far each has moved from its pre-trained weights, and how far it might.

A layer is one trained tensor, biases and norms included. Tables are those of `write_report`; of each method
its first seed is shown.
"""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anchorline.report.figures.style import (
    COLOURS,
    FAINT,
    INK,
    RULE,
    axis_title,
    plain_layout,
    plot_text,
    with_data,
)
from anchorline.report.tables.cells import DASH

COLUMNS = ["method", "seed", "epoch", "parameter", "deviation", "radius"]
UNIT = "sum of absolute values, largest row"
WIDTH, HEIGHT = 1040, 440  # pixels: all figures, that of the methods
ROW, LEAST, MOST = 14, 260, 600  # pixels: a row of a heat map, and all of its rows
LABEL, LABEL_LENGTH = 15, 30  # pixels between two names beside the rows, characters of one
DECADES = 3.0  # below the largest value; layers that rounding alone has moved would take up the rest
STYLES = (("solid", "circle"), ("dash", "circle-open"), ("dot", "diamond-open"))  # for each five methods
SHADES = ((0, "#dfebf4"), (0.5, "#4f9fce"), (1, "#00304d"))
AXIS = {"zeroline": False, "fixedrange": True, "ticks": "outside", "tickcolor": FAINT}


def deviations(movements: pd.DataFrame) -> go.Figure | None:
    """Each layer's deviation after the last epoch, one line a method; None where no layer has moved."""
    table = _numbered(movements)
    last = table.groupby("method")["epoch"].transform("max")
    table = table[(table["epoch"] == last) & (table["deviation"] > 0)]
    if table.empty:
        return None
    figure = go.Figure()
    for number, (method, group) in enumerate(table.groupby("method", sort=False)):
        dash, symbol = STYLES[number // len(COLOURS) % len(STYLES)]
        group = group.sort_values("layer")
        figure.add_scatter(
            x=group["layer"].tolist(),
            y=group["deviation"].tolist(),
            mode="lines+markers",
            name=plot_text(str(method)),
            line={"color": COLOURS[number % len(COLOURS)], "width": 1, "dash": dash},
            marker={"size": 4.5, "symbol": symbol, "opacity": 1},
            customdata=[_tail(name, 60) for name in group["parameter"]],
            hovertemplate="<b>%{fullData.name}</b><br>%{customdata} (layer %{x})<br>%{y:.3g}<extra></extra>",
        )
    low, high = _ends(table["deviation"])
    room = 0.04 * (high - low)
    values, texts = _ticks(low, high)
    y_axis = {"range": [low - room, high + room], "tickvals": [10**v for v in values], "ticktext": texts}
    x_axis = {"range": [0, int(table["layer"].max()) + 1], "tickformat": "d", "nticks": 16}
    line = {"linecolor": FAINT, "showline": True, "gridcolor": RULE, **AXIS}
    figure.update_yaxes(type="log", title=axis_title(UNIT), title_standoff=12, **y_axis, **line)
    figure.update_xaxes(title=axis_title("layer, in the order of the model"), **x_axis, **line)
    layout = plain_layout(WIDTH, HEIGHT) | {"showlegend": True, "legend": {"x": 1.01, "y": 1}}
    figure.update_layout(**layout, margin={"l": 72, "r": 16, "t": 12, "b": 52})
    return with_data(figure, table[[*COLUMNS[:5], "layer"]])


def radii(movements: pd.DataFrame) -> list[tuple[str, go.Figure]]:
    """Radius and deviation of each layer after each epoch, side by side: a figure for each method that has
    learned radii. All figures have one scale of colours."""
    table = _numbered(movements)
    learned = table[table["radius"].gt(0).groupby(table["method"]).transform("any")]
    if learned.empty:
        return []
    ends = _ends(pd.concat([learned["radius"], learned["deviation"]]))
    return [(str(m), _heat_maps(g, ends)) for m, g in learned.groupby("method", sort=False)]


def _heat_maps(group: pd.DataFrame, ends: tuple[float, float]) -> go.Figure:
    both = ["radius", "deviation"]
    grids = group.groupby(["layer", "epoch"])[both].last().unstack()  # [layers, epochs] each
    name_of = dict(zip(group["layer"], group["parameter"], strict=True))
    names, epochs = [name_of[layer] for layer in grids.index], grids["radius"].columns.tolist()
    values = [grids[what].to_numpy() for what in both]
    said = [
        [[_tail(name, 60), layer, *(f"{v:.3g}".replace("nan", DASH) for v in pair)] for pair in pairs]
        for name, layer, pairs in zip(names, grids.index.tolist(), np.stack(values, -1), strict=True)
    ]
    titles = ["learned radius", "deviation"]
    figure = make_subplots(cols=2, shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.03)
    for column, grid in enumerate(values, 1):
        figure.add_heatmap(
            x=epochs,
            z=np.log10(np.where(grid > 0, grid, np.nan)).round(3).tolist(),
            coloraxis="coloraxis",
            customdata=said,
            hovertemplate="<b>%{customdata[0]}</b> (layer %{customdata[1]})<br>epoch %{x}"
            "<br>radius %{customdata[2]}<br>deviation %{customdata[3]}<extra></extra>",
            row=1,
            col=column,
        )
    height = min(max(ROW * len(names), LEAST), MOST)
    labelled = list(range(0, len(names), math.ceil(LABEL * len(names) / height)))
    line = {"showgrid": False, **AXIS}
    figure.update_yaxes(autorange="reversed", tickvals=labelled, tickfont={"size": 12}, **line)
    figure.update_yaxes(ticktext=[_tail(names[i], LABEL_LENGTH) for i in labelled], col=1)
    every = math.ceil(len(epochs) / 10)
    figure.update_xaxes(title=axis_title("epoch"), tick0=epochs[0], dtick=every, **line)
    figure.update_annotations(font={"size": 13, "color": INK})
    ticks, texts = _ticks(*ends)
    bar = {"tickvals": ticks, "ticktext": texts, "thickness": 14, "outlinewidth": 0, "len": 1, "ypad": 0}
    bar["title"] = {"text": UNIT, "side": "right", "font": {"size": 13}}
    colours = {"cmin": ends[0], "cmax": ends[1], "colorscale": SHADES, "colorbar": bar}
    layout = plain_layout(WIDTH, height + 84) | {"coloraxis": colours}
    figure.update_layout(**layout, margin={"l": 228, "r": 16, "t": 32, "b": 52})
    return with_data(figure, group[COLUMNS])


def _numbered(movements: pd.DataFrame) -> pd.DataFrame:
    """The first seed of each method, with the number of each layer among those of all methods, from 1."""
    types = {"method": str, "parameter": str, "deviation": float, "radius": float}
    table = movements.reindex(columns=COLUMNS).astype(types).replace(math.inf, math.nan)
    table = table[table["seed"] == table.groupby("method")["seed"].transform("first")]
    by_method = table.groupby("method", sort=False)["parameter"]
    numbers = {name: n for n, name in enumerate(_merged(names.unique() for _, names in by_method), 1)}
    return table.assign(layer=table["parameter"].map(numbers))


def _merged(orders: Iterable[Iterable[str]]) -> list[str]:
    """All names once; those that only a later list has stand where that list has them."""
    merged: list[str] = []
    for names in orders:
        place = 0
        for name in names:
            if name not in merged:
                merged.insert(place, name)
            place = merged.index(name) + 1
    return merged


def _ends(values: pd.Series) -> tuple[float, float]:
    """Decimal logarithms of the ends of a scale for what is above zero: DECADES at most, and room for two
    round values at least."""
    logs = np.log10(values[values > 0])
    high, middle = float(logs.max()), float(logs.max() + logs.min()) / 2
    low = max(float(logs.min()), high - DECADES)
    return (low, high) if high - low > 0.6 else (middle - 0.3, middle + 0.3)


def _ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Round values between two decimal logarithms: their logarithms, and how they are written."""
    for steps in ((1,), (1, 2, 5), range(1, 10)):
        every = [(math.log10(s) + d, s * 10.0**d) for d in range(-99, 99) for s in steps]
        found = [(place, f"{value:g}") for place, value in every if low <= place <= high]
        if len(found) > 2:
            break
    return [place for place, _ in found], [text for _, text in found]


def _tail(name: str, limit: int) -> str:
    """A name as plotly text; of a long one the last parts, which tell neighbours apart."""
    end = name[1 - limit :]
    return plot_text(name if len(name) <= limit else "…" + (end.partition(".")[2] or end), limit)
