"""Heat maps with the number in each cell: changes by set, and paired differences between methods."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from anchorline.metric import CLASSIFICATION_AXES, UNTOUCHED
from anchorline.report.figures.style import INK, plain_layout, plot_text, with_data
from anchorline.report.numbers import Results
from anchorline.report.tables.cells import DASH, signed

# Losses, nothing, gains: white at zero, and told apart by the colour-blind.
DIVERGING = ((0, "#c25000"), (0.25, "#eba87a"), (0.5, "#ffffff"), (0.75, "#7fb8da"), (1, "#00639b"))
ROW, WIDEST, NARROWEST = 25, 62, 46  # pixels: height of a cell, ends of its width
WIDTH = 1040  # pixels of the figure, while cells are wide enough
TOP_LENGTH, SIDE_LENGTH = 22, 26  # characters of a name above a column, beside a row
MEAN = "mean"
LEAST = 2.0  # points: no scale of colours ends below
QUIET = "#767e86"  # numbers that are not larger than noise


def changes_by_set(results: Results) -> go.Figure | None:
    """Change of accuracy on test and each shift and their mean, and of AUROC (msp) on each outlier set and
    their mean, against the untouched encoder, in points. A row a method.

    None where nothing was adapted, or the untouched encoder is missing.
    """
    methods = [m for m in results.methods if m != UNTOUCHED]
    if not methods or UNTOUCHED not in results.methods:
        return None
    table = pd.DataFrame({m: _values(results, m) for m in methods}).T
    table -= pd.Series(_values(results, UNTOUCHED))
    table = table.dropna(axis=1, how="all")
    limit = _limit(table.to_numpy())
    # A gap before AUROC: it is another measure.
    kinds = [kind for kind, _ in table.columns]
    places = [i + 0.35 * (kind == "auroc") for i, kind in enumerate(kinds)]
    figure = go.Figure()
    for kind in dict.fromkeys(kinds):
        own = [i for i, k in enumerate(kinds) if k == kind]
        block = table.iloc[:, own].to_numpy()
        names = [name for _, name in table.columns[own]]
        said = [[[plot_text(m, 60), plot_text(n, 60)] for n in names] for m in methods]
        figure.add_heatmap(
            x=[places[i] for i in own],
            y=list(range(len(methods))),
            z=[[_or_none(v) for v in row] for row in block],
            text=[[DASH if math.isnan(v) else signed(round(v, 1), 1) for v in row] for row in block],
            customdata=said,
            hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}: %{text} points<extra></extra>",
            **_colours(limit),
        )
        heading = "accuracy" if kind == "accuracy" else "AUROC"
        middle = (places[own[0]] + places[own[-1]]) / 2
        figure.add_annotation(
            x=middle, y=1, yref="paper", yshift=_above([n for _, n in table.columns]),
            text=f"<b>{heading}</b>", showarrow=False, yanchor="bottom",
        )  # fmt: skip
    titles = [name for _, name in table.columns]
    _frame(figure, methods, places, titles, room=26)
    tidy = table.set_axis([f"{kind} {name}" for kind, name in table.columns], axis=1)
    return with_data(figure, tidy.rename_axis("method").reset_index())


def _values(results: Results, method: str) -> dict[tuple[str, str], float]:
    values = {("accuracy", "test"): results.in_distribution(method).mean}
    shifts = {s: results.get(method, "shift", "accuracy", s).mean for s in results.shifts}
    values |= {("accuracy", s): v for s, v in shifts.items()}
    if len(shifts) > 1:
        values["accuracy", MEAN] = results.summary(method, "shift_accuracy").mean
    outliers = {s: results.get(method, "outlier", "auroc", s, "msp").mean for s in results.outliers}
    values |= {("auroc", s): v for s, v in outliers.items()}
    if len(outliers) > 1:
        values["auroc", MEAN] = results.summary(method, "auroc").mean
    return values


def matrices(differences: pd.DataFrame) -> list[tuple[str, go.Figure]]:
    """(axis, figure) for each axis that was tested: row less column, in points."""
    if differences.empty:
        return []
    of_axis = {axis.mean: differences[differences["axis"] == axis.name] for axis in CLASSIFICATION_AXES}
    return [(name, _matrix(pairs)) for name, pairs in of_axis.items() if not pairs.empty]


def _matrix(pairs: pd.DataFrame) -> go.Figure:
    methods = list(dict.fromkeys([*pairs["a"].astype(str), *pairs["b"].astype(str)]))
    number = {m: i for i, m in enumerate(methods)}
    size = len(methods)
    z = np.full((size, size), np.nan)
    text, said = np.full((size, size), "", object), np.full((size, size), "", object)
    for pair in pairs.itertuples():
        for a, b, sign in ((pair.a, pair.b, 1), (pair.b, pair.a, -1)):
            here = number[str(a)], number[str(b)]
            shown = signed(round(sign * pair.difference, 1), 1)
            z[here] = sign * pair.difference if pair.significant else 0.0
            mark = "<b>{}</b>" if pair.significant else f'<span style="color:{QUIET}">{{}}</span>'
            text[here] = mark.format(shown)
            low, high = sorted((sign * pair.low, sign * pair.high))
            said[here] = (
                f"{plot_text(str(a), 60)} less {plot_text(str(b), 60)}: {shown} points "
                f"[{signed(round(low, 1), 1)} to {signed(round(high, 1), 1)}]<br>"
                f"p = {pair.p:.3g}, corrected {pair.p_holm:.3g}"
            )
    figure = go.Figure()
    figure.add_heatmap(
        x=list(range(size)),
        y=list(range(size)),
        z=[[_or_none(v) for v in row] for row in z],
        text=text.tolist(),
        customdata=said.tolist(),
        hovertemplate="%{customdata}<extra></extra>",
        **_colours(_limit(z[z != 0])),
    )
    _frame(figure, methods, list(range(size)), methods)
    return with_data(figure, pairs)


def _limit(values: np.ndarray) -> float:
    """Where colours end, in points: a single large loss does not bleach the rest."""
    known = np.abs(values[np.isfinite(values)])
    return max(float(np.quantile(known, 0.9)) if known.size else 0.0, LEAST)


def _colours(limit: float) -> dict[str, object]:
    text = {"texttemplate": "%{text}", "textfont": {"size": 12}, "hoverongaps": False}
    return text | {
        "colorscale": DIVERGING,
        "zmin": -limit,
        "zmax": limit,
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }


def _frame(
    figure: go.Figure,
    rows: Sequence[str],
    places: Sequence[float],
    columns: Sequence[str],
    room: int = 0,
) -> None:
    """Names beside the rows and, at a slant, above the columns; cells of one size. `room`: pixels above."""
    left = 16 + 7 * max(min(len(n), SIDE_LENGTH) for n in rows)
    top = _above(columns) + room
    wide = places[-1] + 1
    # A name at the end runs out to the right.
    right = int(0.6 * _above(columns)) + 8
    cell = min(max((WIDTH - left - right) / wide, NARROWEST), WIDEST)
    layout = plain_layout(int(left + cell * wide + right), ROW * len(rows) + top + 8)
    figure.update_layout(**layout, margin={"l": left, "r": right, "t": top, "b": 8})
    quiet = {"fixedrange": True, "showgrid": False, "zeroline": False, "ticks": "", "showline": False}
    figure.update_xaxes(
        side="top",
        range=[-0.5, places[-1] + 0.5],
        tickvals=list(places),
        ticktext=[plot_text(n, TOP_LENGTH) for n in columns],
        tickangle=-40,
        tickfont={"size": 12, "color": INK},
        **quiet,
    )
    figure.update_yaxes(
        range=[len(rows) - 0.5, -0.5],
        tickvals=list(range(len(rows))),
        ticktext=[plot_text(n, SIDE_LENGTH) for n in rows],
        tickfont={"size": 12, "color": INK},
        **quiet,
    )


def _above(columns: Sequence[str]) -> int:
    """Height of slanted names above the columns, pixels."""
    return 20 + int(4.4 * max(min(len(n), TOP_LENGTH) for n in columns))


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)
