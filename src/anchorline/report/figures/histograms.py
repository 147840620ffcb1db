"""Histograms of the confidence on the test set against each outlier set."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anchorline.report.details import Histogram, MethodDetails
from anchorline.report.figures.style import (
    ACCENT,
    FAINT,
    INK,
    OTHER,
    RULE,
    axis_title,
    plain_layout,
    plot_text,
    with_data,
)

BINS = 25
FACETS = 3  # histograms side by side


def confidence(details: MethodDetails) -> go.Figure | None:
    """Histograms of the confidence on the test set against each outlier set, one facet a set.

    None where the method has no histogram.
    """
    test = next((h for h in details.histograms if h.role == "test"), None)
    outliers: list[Histogram | None] = [h for h in details.histograms if h.role == "outlier"]
    if test is None and not outliers:
        return None
    facets = outliers or [None]
    count = -(-len(facets) // FACETS)
    height = 76 + 210 * count
    figure = make_subplots(
        rows=count,
        cols=FACETS,
        shared_yaxes="all",
        subplot_titles=[plot_text(h.set, 34) if h else "" for h in facets],
        horizontal_spacing=0.04,
        vertical_spacing=80 / height,
    )
    for index, outlier in enumerate(facets):
        cell = {"row": index // FACETS + 1, "col": index % FACETS + 1}
        if test is not None:
            figure.add_trace(_steps(test, ACCENT, "rgba(0,114,178,0.22)"), **cell)
        if outlier is not None:
            figure.add_trace(_steps(outlier, OTHER, "rgba(213,94,0,0.12)"), **cell)
    figure.update_layout(**plain_layout(1040, height), margin={"l": 56, "r": 8, "t": 34, "b": 52})
    axis = {"zeroline": False, "fixedrange": True, "linecolor": FAINT, "showline": True}
    figure.update_xaxes(range=[0, 1], dtick=0.25, showgrid=False, ticks="outside", tickcolor=FAINT, **axis)
    figure.update_yaxes(rangemode="tozero", gridcolor=RULE, nticks=4, **axis | {"showline": False})
    figure.update_yaxes(title=axis_title("% of images"), col=1)
    for index in range(max(len(facets) - FACETS, 0), len(facets)):  # the lowest of each column
        cell = {"row": index // FACETS + 1, "col": index % FACETS + 1}
        figure.update_xaxes(title=axis_title("confidence"), **cell)
    figure.update_annotations(font={"size": 13, "color": INK})
    return with_data(figure, _counts(details.histograms))


def _steps(histogram: Histogram, line: str, fill: str) -> go.Scatter:
    scores = histogram.scores[np.isfinite(histogram.scores)]
    counts, edges = np.histogram(scores, bins=BINS, range=(0.0, 1.0))
    share = (100 * counts / max(len(scores), 1)).round(2).tolist()
    return go.Scatter(
        x=edges.round(2).tolist(),
        y=[*share, share[-1]],
        mode="lines",
        line={"shape": "hv", "width": 1.5, "color": line},
        fill="tozeroy",
        fillcolor=fill,
        name="",
        text=[plot_text(histogram.set)] * len(edges),
        hovertemplate=f"%{{text}}: %{{y:.1f}} % of images from %{{x:.2f}} to + {1 / BINS:.2f}",
    )


def _counts(histograms: Sequence[Histogram]) -> pd.DataFrame:
    """The bins as a table."""
    frames = []
    for one in histograms:
        counts, edges = np.histogram(one.scores[np.isfinite(one.scores)], bins=BINS, range=(0.0, 1.0))
        columns = {"set": one.set, "from": edges[:-1], "to": edges[1:], "images": counts}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
