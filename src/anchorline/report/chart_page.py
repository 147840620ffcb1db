"""A small page of figures and tables: one HTML file that holds all it shows and requests nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from anchorline.encoders.encoder import Encoder
from anchorline.report.html import environment, figure_json, read, script_hash
from anchorline.suites.suite import Suite
from anchorline.version import __version__, command_line, commit

_DRAW = """"use strict";
for (const plot of document.querySelectorAll("[data-figure]")) {
  const figure = JSON.parse(document.getElementById(plot.dataset.figure).textContent);
  Plotly.newPlot(plot, figure.data, figure.layout, { displayModeBar: false });
}
"""


@dataclass(frozen=True, eq=False)
class Sheet:
    """A table as text: `columns` are headings, each row has as many cells; the first names the row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, eq=False)
class Chart:
    """One section of the page.

    Attributes:
        title: its heading.
        text: what is to be seen, and what lines, bars and colours mean.
        figure: drawn at its own width, which is best 1040 pixels.
        sheet: the numbers of the figure.
    """

    title: str
    text: str
    figure: go.Figure
    sheet: Sheet


def write_page(
    path: Path,
    *,
    title: str,
    summary: Sequence[str],
    charts: Sequence[Chart],
    facts: Mapping[str, str],
    more: Markup | None = None,
) -> None:
    """Write the page: title, sentences of summary, charts, sections of HTML that the caller vouches for, and
    facts on how all was measured."""
    plotly_js = get_plotlyjs()
    page = (
        environment("anchorline.report")
        .get_template("chart_page.html.j2")
        .render(
            title=title,
            summary=summary,
            charts=[(chart, figure_json(chart.figure)) for chart in charts],
            more=more or "",
            facts=facts,
            style=Markup(read("style.css")),
            scripts=[Markup(plotly_js), Markup(_DRAW)],
            script_hashes=Markup(f"{script_hash(plotly_js)} {script_hash(_DRAW)}"),
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    # A file name may hold bytes that are no text; they are shown as escapes.
    path.write_text(page, encoding="utf-8", errors="backslashreplace", newline="\n")


def measured(suite: Suite, encoder: Encoder) -> dict[str, str]:
    """The facts that every page tells: on what, with what, by which code and when."""
    random = "; RANDOM weights: these figures say nothing about any method" if encoder.random else ""
    return {
        "Command": command_line.get(),
        "Suite": f"{suite.name} (hash {suite.hash}), {len(suite.classes)} classes",
        "Encoder": f"{encoder.name} (weights hash {encoder.hash}) on {encoder.device}{random}",
        "Version": f"anchorline {__version__}, commit {commit() or 'unknown'}",
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }
