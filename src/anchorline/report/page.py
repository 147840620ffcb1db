"""Assembles the page: one HTML file that holds everything it shows and requests nothing."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from anchorline.report import tables
from anchorline.report.details import MethodDetails
from anchorline.report.figures import confidence
from anchorline.report.results import Results
from anchorline.report.summary import sentences
from anchorline.report.trade import trade


def write_report(
    path: Path,
    *,
    title: str,
    rows: pd.DataFrame,
    details: Sequence[MethodDetails],
    facts: Mapping[str, str],
    notes: Sequence[str],
) -> None:
    """Write one self-contained HTML page about a comparison.

    Args:
        path: the file to write.
        title: what was compared, on what.
        rows: the results table, one row per (method, seed, set, metric); methods, shifts and
            outlier sets appear in the order in which they first occur.
        details: what else is known of each method, in the order to show; may lack methods.
        facts: how this was measured: label and value, in the order to show.
        notes: sentences that the reader must know.

    Raises:
        ValueError: `rows` is empty or mixes suites or encoders, or a thumbnail is neither PNG
            nor JPEG.
    """
    if rows.empty:
        raise ValueError("a report needs at least one row of results")
    results = Results(rows)
    environment = Environment(
        loader=PackageLoader("anchorline.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thumbnail"] = _thumbnail
    charts = [(d.method, confidence(d)) for d in details]
    plotly_js, page_js = get_plotlyjs(), _read("page.js")
    page = environment.get_template("template.html.j2").render(
        title=title,
        summary=sentences(results),
        results=results,
        tables=tables,
        details=details,
        facts=facts,
        notes=notes,
        trade=_json(trade(results)),
        confidence=[(method, _json(figure)) for method, figure in charts if figure],
        style=Markup(_read("style.css")),
        plotly_js=Markup(plotly_js),
        page_js=Markup(page_js),
        script_hashes=Markup(f"{_hash(plotly_js)} {_hash(page_js)}"),
    )
    # A file name may hold bytes that are no text; they are shown as escapes.
    path.write_text(page, encoding="utf-8", errors="backslashreplace", newline="\n")


def _read(name: str) -> str:
    return resources.files("anchorline.report").joinpath(name).read_text("utf-8")


def _hash(script: str) -> str:
    """The source expression by which the page's policy admits this very script, and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(figure: go.Figure | None) -> Markup | None:
    """The figure as JSON that cannot end the <script> element it stands in."""
    if figure is None:
        return None
    text = figure.to_json()
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _thumbnail(image: bytes) -> str:
    """A data URL for an encoded PNG or JPEG."""
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        kind = "png"
    elif image.startswith(b"\xff\xd8\xff"):
        kind = "jpeg"
    else:
        raise ValueError("a thumbnail must be PNG or JPEG")
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
