"""Figures of the blends: the axes against α, the share of the pre-trained part."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anchorline.metric import CLASSIFICATION_AXES, IN_DISTRIBUTION, SHIFTS
from anchorline.report.figures.style import (
    ACCENT,
    FAINT,
    INK,
    OTHER,
    RULE,
    axis_title,
    plain_layout,
    with_data,
)

PANELS = {axis.name: axis.panel for axis in CLASSIFICATION_AXES}
PLANE = [IN_DISTRIBUTION.name, SHIFTS.name]
PANEL, HEIGHT = 260, 296  # pixels: width of a panel, height of a figure
LEAST = 4.0  # points: no panel spans fewer
PAD = 0.08  # room at either end of a panel, as a share of its span


@dataclass(frozen=True)
class Curve:
    """One method's axes at the strengths that all its seeds have, and at those in use.

    The strength that one seed chose may be missing for others; their mean there would be of other seeds than
    the mean beside it.
    """

    mean: pd.DataFrame  # index: alpha; columns: axes
    deviation: pd.DataFrame  # likewise; 0 where there is one seed
    chosen: pd.DataFrame  # columns: seed, alpha, axes; one row a seed

    def extent(self, axis: str) -> tuple[float, float]:
        ends = [(self.mean + sign * self.deviation)[axis] for sign in (-1, 1)]
        values = pd.concat([*ends, self.chosen[axis]])
        return float(values.min()), float(values.max())


def blends(curves: pd.DataFrame) -> list[tuple[str, go.Figure]]:
    """A figure for each method that has any axis; all panels of all figures span equally many points.

    Args:
        curves: columns method, seed, alpha, chosen and the axes (percent, NaN where unknown); may be empty.
    """
    if curves.empty:
        return []
    table = curves.astype(dict.fromkeys(PANELS, float)).assign(method=curves["method"].astype(str))
    groups = {str(name): group for name, group in table.groupby("method", sort=False)}
    found = {name: _curve(group) for name, group in groups.items()}
    widths = [high - low for c in found.values() for low, high in map(c.extent, PANELS)]
    span = max([LEAST, *(w for w in widths if math.isfinite(w))]) * (1 + 2 * PAD)
    figures = [(name, _figure(curve, span)) for name, curve in found.items()]
    columns = ["method", "seed", "alpha", "chosen", *PANELS]
    return [(name, with_data(figure, groups[name][columns])) for name, figure in figures if figure]


def _curve(group: pd.DataFrame) -> Curve:
    strengths = group.assign(alpha=group["alpha"].round(6)).groupby("alpha")
    shared = strengths["seed"].nunique() == group["seed"].nunique()
    axes = strengths[list(PANELS)]
    chosen = group.loc[group["chosen"].astype(bool), ["seed", "alpha", *PANELS]]
    return Curve(axes.mean()[shared], axes.std(ddof=1).fillna(0.0)[shared], chosen)


def _figure(curve: Curve, span: float) -> go.Figure | None:
    known = [a for a in PANELS if curve.mean[a].notna().any()]
    if not known:
        return None
    plane = all(a in known for a in PLANE)
    titles = [PANELS[a] for a in known] + ["shifts against in distribution"] * plane
    figure = make_subplots(cols=len(titles), subplot_titles=titles, horizontal_spacing=0.22 / len(titles))
    for column, axis in enumerate(known, 1):
        for trace in _against_alpha(curve, axis):
            figure.add_trace(trace, row=1, col=column)
        figure.update_yaxes(range=_range(*curve.extent(axis), span), row=1, col=column)
    figure.update_xaxes(range=[-0.04, 1.04], dtick=0.5, title=axis_title("adapted ← α → untouched"))
    if plane:
        cell = {"row": 1, "col": len(titles)}
        figure.add_traces(list(_through_plane(curve)), rows=1, cols=len(titles))
        x_range, y_range = (_range(*curve.extent(a), span) for a in PLANE)
        own = {"range": x_range, "dtick": None, "nticks": 5}
        figure.update_xaxes(title=axis_title("in distribution (%)"), **own, **cell)
        figure.update_yaxes(range=y_range, title=axis_title("shifts (%)"), **cell)
    width = PANEL * len(titles)
    figure.update_layout(**plain_layout(width, HEIGHT), margin={"l": 40, "r": 16, "t": 32, "b": 60})
    line = {"zeroline": False, "fixedrange": True, "linecolor": FAINT, "showline": True, "gridcolor": RULE}
    figure.update_xaxes(ticks="outside", tickcolor=FAINT, **line)
    figure.update_yaxes(nticks=6, title_standoff=4, **line)
    figure.update_annotations(font={"size": 13, "color": INK})
    return figure


def _range(low: float, high: float, span: float) -> tuple[float, float]:
    """Ends of an axis of that length around the values, and hardly beyond 0 and 100 %."""
    room = span * PAD
    start = min((low + high - span) / 2, 100 + room - span)
    start = max(start, -room)
    return start, start + span


def _against_alpha(curve: Curve, axis: str) -> Iterator[go.Scatter]:
    mean = curve.mean[axis].dropna()
    deviation = curve.deviation.loc[mean.index, axis]
    at = mean.index.tolist()
    several = bool((deviation > 0).any())
    if several:
        edge = [*(mean + deviation), *(mean - deviation)[::-1]]
        fill = {"fill": "toself", "fillcolor": "rgba(0,114,178,0.16)", "line": {"width": 0}}
        yield go.Scatter(x=[*at, *at[::-1]], y=edge, mode="lines", hoverinfo="skip", **fill)
    yield go.Scatter(
        x=at,
        y=mean.tolist(),
        mode="lines+markers",
        line={"color": ACCENT, "width": 2},
        marker={"size": 5},
        customdata=[f" ± {d:.1f}" if several else "" for d in deviation],
        hovertemplate="α = %{x}: %{y:.1f} %%{customdata}<extra></extra>",
    )
    chosen = curve.chosen.dropna(subset=axis)
    yield _in_use(chosen, chosen["alpha"], chosen[axis], "α = %{x}: %{y:.1f} %")


def _through_plane(curve: Curve) -> Iterator[go.Scatter]:
    """The same strengths as points of the plane of the trade figure."""
    mean = curve.mean.dropna(subset=PLANE)
    yield go.Scatter(
        x=mean[PLANE[0]].tolist(),
        y=mean[PLANE[1]].tolist(),
        mode="lines+markers",
        line={"color": ACCENT, "width": 2},
        marker={
            "size": [10 if a in (0, 1) else 5 for a in mean.index],
            "symbol": ["diamond" if a == 1 else "circle" for a in mean.index],
            "color": ["#ffffff" if a == 0 else ACCENT for a in mean.index],
            "line": {"color": ACCENT, "width": 2},
            "opacity": 1,
        },
        customdata=mean.index.tolist(),
        hovertemplate="α = %{customdata}: in distribution %{x:.1f} %, shifts %{y:.1f} %<extra></extra>",
    )
    chosen = curve.chosen.dropna(subset=PLANE)
    hover = "in distribution %{x:.1f} %, shifts %{y:.1f} %"
    yield _in_use(chosen, chosen[PLANE[0]], chosen[PLANE[1]], hover)


def _in_use(chosen: pd.DataFrame, x: pd.Series, y: pd.Series, hover: str) -> go.Scatter:
    """Each seed's strength in use, at this seed's own value."""
    return go.Scatter(
        x=x.tolist(),
        y=y.tolist(),
        mode="markers",
        marker={"size": 10, "color": OTHER, "opacity": 1, "line": {"color": "#ffffff", "width": 1.5}},
        customdata=[
            f"seed {seed}, α = {a:g}" for seed, a in zip(chosen["seed"], chosen["alpha"], strict=True)
        ],
        hovertemplate=f"in use: %{{customdata}}<br>{hover}<extra></extra>",
    )
