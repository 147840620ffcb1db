"""The report: one HTML file that holds everything it shows and requests nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from jinja2 import ChoiceLoader, PackageLoader
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from anchorline.report.figures.severity import corruption_table, severity_curves
from anchorline.report.figures.style import axis_title
from anchorline.report.figures.trade import trade
from anchorline.report.html import environment, read, script_hash
from anchorline.report.numbers import Results
from anchorline.report.page import SCRIPTS
from anchorline.report.published import Published, beside
from anchorline.report.tables.cells import Table
from anchorline.report.tables.published import published_section
from anchorline.tasks.segmentation.pictures import Example, hex_colour
from anchorline.tasks.segmentation.sentences import sentences
from anchorline.tasks.segmentation.tables import class_heat, methods_table, shift_table

# The report's own figures draw accuracies; here these stand for them.
_STANDS_FOR = {"miou": "accuracy", "clean": "id_accuracy", "shift_mean": "shift_accuracy"}
_STANDS_FOR |= {"corruption_mean": "corruption_accuracy"}


def write_report(
    path: Path,
    *,
    title: str,
    rows: pd.DataFrame,
    classes: Sequence[str],
    abouts: Mapping[str, str],
    examples: Sequence[Example],
    facts: Mapping[str, str],
    notes: Sequence[str] = (),
    published: Sequence[Published] = (),
) -> None:
    """Write the page about a comparison of segmentation.

    Args:
        path: the file to write.
        title: what was compared, on what.
        rows: as in results.csv.
        classes: names; `examples` hold indices into them.
        abouts: what each method is, by its name.
        examples: images beside their masks.
        facts: how this was measured: label and value, in the order to show.
        notes: sentences that the reader must know.
        published: figures of papers, to stand beside ours.
    """
    results, shown = Results(rows), Results(_as_accuracies(rows))
    severity = severity_curves(shown)
    if severity:
        severity.update_yaxes(title=axis_title("mIoU (%)"), col=1)
    templates = environment("anchorline.tasks.segmentation")
    assert templates.loader is not None
    templates.loader = ChoiceLoader([templates.loader, PackageLoader("anchorline.report", ".")])
    plotly_js, page_js = get_plotlyjs(), "\n".join(read(f"scripts/{name}") for name in SCRIPTS)
    page = templates.get_template("page.html.j2").render(
        title=title,
        summary=sentences(results),
        results=results,
        methods=methods_table(results),
        abouts=abouts,
        trades=_trades(rows, results),
        shifts=shift_table(results) if results.shifts else None,
        severity=severity,
        corruptions=_corruptions(shown) if severity else None,
        classes=class_heat(results, classes),
        examples=examples,
        legend=_legend(examples, classes),
        data_url=_data_url,
        published=published_section(beside(rows, published)),
        facts=facts,
        notes=notes,
        style=Markup(read("style.css")),
        plotly_js=Markup(plotly_js),
        page_js=Markup(page_js),
        script_hashes=Markup(f"{script_hash(plotly_js)} {script_hash(page_js)}"),
    )
    # A file name may hold bytes that are no text; they are shown as escapes.
    path.write_text(page, encoding="utf-8", errors="backslashreplace", newline="\n")


def _corruptions(shown: Results) -> Table:
    return replace(corruption_table(shown), label="mIoU by corruption (%), mean over severities")


def _as_accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(metric=rows["metric"].replace(_STANDS_FOR))


def _trades(rows: pd.DataFrame, results: Results) -> list[tuple[str, go.Figure]]:
    """(title, figure): mIoU on test against the means over corruptions and over shifts."""
    found = []
    for role, mean, said in (
        ("corruption", "corruption_mean", "under corruption"),
        ("shift", "shift_mean", "under shift"),
    ):
        if not results.has("summary", mean):
            continue
        own = rows[(rows["role"] != "shift") | (role == "shift")]
        own = own.assign(role=own["role"].replace({role: "shift"}))
        metric = own["metric"].replace({"miou": "accuracy", "clean": "id_accuracy", mean: "shift_accuracy"})
        figure = trade(Results(own.assign(metric=metric)))
        if figure:
            figure.update_xaxes(title=axis_title("mIoU on test (%)"))
            figure.update_yaxes(title=axis_title(f"mean mIoU {said} (%)"))
            found.append((said, figure))
    return found


def _legend(examples: Sequence[Example], classes: Sequence[str]) -> list[tuple[str, str]]:
    """(class, colour) of what the pictures show."""
    shown = sorted(set().union(*(example.shown for example in examples)))
    return [(classes[index], hex_colour(index)) for index in shown if index < len(classes)]


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
