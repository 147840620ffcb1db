"""Assembles the page: one HTML file that holds everything it shows and requests nothing."""

import base64
import hashlib
import struct
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from anchorline.report import tables
from anchorline.report.blends import blends
from anchorline.report.changes import changes_table
from anchorline.report.details import MethodDetails
from anchorline.report.figures import confidence
from anchorline.report.layers import deviations, radii
from anchorline.report.radar import radars
from anchorline.report.results import Results
from anchorline.report.summary import sentences
from anchorline.report.trade import trade

SMALL = 128  # pixels: images of learned frames up to this width are shown twice as large


def write_report(
    path: Path,
    *,
    title: str,
    rows: pd.DataFrame,
    details: Sequence[MethodDetails],
    curves: pd.DataFrame,
    movements: pd.DataFrame,
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
        curves: the axes at each strength of each blend, may be empty; columns method, seed, alpha (share
            of the pre-trained part: 0 is adapted alone, 1 untouched alone), chosen (whether it is the
            strength in use), id_accuracy, shift_accuracy, auroc (percent, NaN where unknown).
        movements: how far each layer moved, may be empty; columns method, seed, epoch, parameter (in the
            order of the model), deviation (from the pre-trained weights, of the largest row: its sum of
            absolute values), radius (learned for it, in the same units, NaN where there is none).
        facts: how this was measured: label and value, in the order to show.
        notes: sentences that the reader must know.

    Raises:
        ValueError: `rows` is empty or mixes suites or encoders, or a thumbnail is neither PNG
            nor JPEG, or the image of a frame no PNG.
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
    environment.filters |= {"thumbnail": _thumbnail, "shown_width": _shown_width}
    radar = radars(results)
    charts = [(d.method, confidence(d)) for d in details]
    plotly_js, page_js = get_plotlyjs(), _read("page.js")
    page = environment.get_template("template.html.j2").render(
        title=title,
        summary=sentences(results),
        results=results,
        tables=tables,
        changes_table=changes_table,
        details=details,
        facts=facts,
        notes=notes,
        trade=_json(trade(results)),
        radars=radar,
        radar_json=_json(radar.figure if radar else None),
        blends=[(method, _json(figure)) for method, figure in blends(curves)],
        deviations=_json(deviations(movements)),
        radii=[(method, _json(figure)) for method, figure in radii(movements)],
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


def _shown_width(png: bytes) -> int:
    """The width at which to show the image of a frame, in pixels of the page: small ones doubled."""
    if not png.startswith(b"\x89PNG\r\n\x1a\n") or len(png) < 24:
        raise ValueError("the image of a frame must be PNG")
    width = int(struct.unpack(">I", png[16:20])[0])
    return 2 * width if width <= SMALL else width
