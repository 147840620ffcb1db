"""A small page of figures and tables: one HTML file that holds all it shows and requests nothing."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
from markupsafe import Markup

from anchorline.encoders.encoder import Encoder
from anchorline.report.html import render
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.facts import suite_hash
from anchorline.version import __version__, commit


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


def measured(suite: Suite, encoder: Encoder) -> dict[str, str]:
    """The facts that every page tells: on what, with what, by which code and when."""
    command = (
        shlex.join(["anchorline", *sys.argv[1:]]) if sys.argv[0].endswith("anchorline") else "Python API"
    )
    random = "; RANDOM weights: these figures say nothing about any method" if encoder.random else ""
    return {
        "Command": command,
        "Suite": f"{suite.name} (hash {suite_hash(suite)}), {len(suite.classes)} classes",
        "Encoder": f"{encoder.name} (weights hash {encoder.hash}) on {encoder.device}{random}",
        "Version": f"anchorline {__version__}, commit {commit() or 'unknown'}",
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }
