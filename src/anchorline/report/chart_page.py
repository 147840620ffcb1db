"""A small page of figures and tables: one HTML file that holds all it shows and requests nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
from markupsafe import Markup

from anchorline.report.html import render


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
    facts on how all was measured. Raises `UserError` where it cannot be written."""
    render(
        "anchorline.report",
        "chart_page.html.j2",
        path,
        scripts=("scripts/draw.js",),
        title=title,
        summary=summary,
        charts=charts,
        more=more or "",
        facts=facts,
        notes=(),
    )
