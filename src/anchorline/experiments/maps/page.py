"""The page of maps: small multiples in the same colours, and the neighbourhood scores beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.experiments.maps.neighbourhoods import K, by_chance
from anchorline.report.chart_page import Chart, Sheet, write_page
from anchorline.report.figures.style import INK, RULE, plain_layout, plot_text
from anchorline.suites.suite import Suite
from anchorline.tasks.facts import how_measured

WIDTH, PANEL = 1040, 470  # pixels
# Nine that colour-blind readers can tell apart (Paul Tol's "muted" scheme), and black.
# fmt: off
COLOURS = (
    "#cc6677", "#332288", "#ddcc77", "#117733", "#88ccee",
    "#882255", "#44aa99", "#999933", "#aa4499", "#222222",
)
# fmt: on
HOW = {
    "UMAP": "UMAP (umap-learn: 15 neighbours, least distance 0.1, from the principal components, seeded)",
    "PCA": "the first two principal components, because umap-learn is not installed (pip install umap-learn)",
}


def write_map(
    path: Path,
    rows: pd.DataFrame,
    scores: pd.DataFrame,
    how: str,
    suite: Suite,
    classifiers: Sequence[AdaptedClassifier],
    seed: int,
) -> None:
    """Write the page. `rows` and `scores` have the columns of map.csv and map_scores.csv."""
    images = rows[rows.method == rows.method.iloc[0]]
    sets = images.groupby("set", sort=False).size()
    classes = sorted(set(images["class"]))
    chance = by_chance(np.unique(images["class"], return_inverse=True)[1])
    logits = list(scores[scores.space == "logits"].method)
    of_logits = (
        f" The image features of {', '.join(logits)} are the untouched encoder’s, so the logits are mapped."
        if logits
        else ""
    )
    chart = Chart(
        title=f"Where {len(images)} shifted images lie",
        text=f"Each dot is an image, coloured by its class; maps are made by {HOW[how]}. Only who is near "
        "whom carries meaning: directions, distances between far groups and places in different maps do not "
        f"compare.{of_logits} Where intervals overlap, the order is not a finding. Hover for class and "
        "set; a click on a class hides it, a double click shows it alone.",
        figure=_figure(rows, scores, classes),
        sheet=_sheet(scores),
    )
    write_page(
        path,
        title=f"Maps of {suite.name} under shift",
        summary=[
            *_sentences(scores),
            f"Neighbours drawn blindly would agree in {chance:.1f} %.",
        ],
        charts=[chart],
        facts={
            **how_measured(suite, classifiers[0].encoder),
            "Images": ", ".join(f"{name} {count}" for name, count in sets.items())
            + f"; drawn with seed {seed}, balanced over shifts, then over classes, as far as images go",
            "Classes": f"{', '.join(classes)}: those that most shifts hold, of equals those with most images",
            "Runs": ", ".join(f"{one.method.name} (seed {one.seed})" for one in classifiers),
            "Maps": f"{HOW[how]}; of unit feature vectors or of logits, Euclidean",
            "Agreement": f"share of an image’s {K} nearest other images (Euclidean) that are of its class, "
            "mean over the images; intervals: 95 %, bootstrap over images",
        },
    )


def _sentences(scores: pd.DataFrame) -> Iterator[str]:
    """Which space holds classes together best, in the original space; the picture is not the evidence."""
    original = scores[scores.space != "map"]
    best, worst = (original.loc[i] for i in (original.agreement.idxmax(), original.agreement.idxmin()))
    if len(original) == 1:
        yield f"{_interval(best)}\u00a0% of an image’s {K} nearest neighbours are of its class."
        return
    yield (
        f"Before any map is drawn, {_interval(best)}\u00a0% of an image’s {K} nearest neighbours are of its "
        f"class under {best.method}, the most, and {_interval(worst)}\u00a0% under {worst.method}, the least."
    )


def _interval(score: pd.Series) -> str:
    return f"{score.agreement:.1f} [{score.low:.1f}–{score.high:.1f}]"


def _sheet(scores: pd.DataFrame) -> Sheet:
    rows = []
    for method, own in scores.groupby("method", sort=False):
        original, flat = (own[(own.space == "map") == on_map].iloc[0] for on_map in (False, True))
        rows.append([str(method), str(original.space), _interval(original), _interval(flat)])
    neighbours = f"{K} neighbours of the same class (%) "
    return Sheet(["", "mapped", f"{neighbours} in the original space", f"{neighbours} on the map"], rows)


def _figure(rows: pd.DataFrame, scores: pd.DataFrame, classes: Sequence[str]) -> go.Figure:
    methods = list(dict.fromkeys(rows.method))
    count = -(-len(methods) // 2)
    height = count * (PANEL + 50) + 70
    figure = make_subplots(
        rows=count,
        cols=2,
        subplot_titles=[_title(str(m), scores[scores.method == m]) for m in methods],
        horizontal_spacing=0.03,
        vertical_spacing=62 / height,
    )
    for index, method in enumerate(methods):
        cell = {"row": index // 2 + 1, "col": index % 2 + 1}
        own = rows[rows.method == method]
        edge = {"width": 0.5, "color": "#ffffff"}
        for name, colour in zip(classes, COLOURS, strict=False):
            dots = own[own["class"] == name]
            figure.add_trace(
                go.Scatter(
                    x=dots.x.round(3).tolist(), y=dots.y.round(3).tolist(), mode="markers",
                    marker={"size": 7, "color": colour, "opacity": 0.8, "line": edge},
                    name=plot_text(name), legendgroup=name, showlegend=index == 0,
                    customdata=[plot_text(s) for s in dots["set"]],
                    hovertemplate=f"{plot_text(name)}, %{{customdata}}<extra></extra>",
                ),
                **cell,
            )  # fmt: skip
        side = {"showticklabels": False, "showgrid": False, "zeroline": False, "fixedrange": True}
        frame = {"showline": True, "mirror": True, "linecolor": RULE}
        figure.update_xaxes(**side, **frame, **cell)
        figure.update_yaxes(**side, **frame, **cell)
    figure.update_layout(**plain_layout(WIDTH, height), margin={"l": 4, "r": 4, "t": 110, "b": 8})
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1 + 50 / (height - 118), "yanchor": "bottom",
                "itemsizing": "constant"},
    )  # fmt: skip
    figure.update_annotations(font={"size": 13, "color": INK})
    return figure


def _title(method: str, scores: pd.DataFrame) -> str:
    original, flat = (scores[(scores.space == "map") == on_map].iloc[0] for on_map in (False, True))
    return (
        f"<b>{plot_text(method, 40)}</b> ({original.space})<br>{K} neighbours agree: "
        f"{_interval(original)} %, on the map {flat.agreement:.1f} %"
    )
