"""Assembles the page: one HTML file that holds everything it shows and requests nothing."""

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from anchorline.report.contents import contents
from anchorline.report.details import MethodDetails
from anchorline.report.html import environment, read, script_hash
from anchorline.report.numbers import Results

SMALL = 128  # pixels: images of learned frames up to this width are shown twice as large
SCRIPTS = ("figures.js", "tables.js", "downloads.js", "start.js")


def write_report(
    path: Path,
    *,
    title: str,
    rows: pd.DataFrame,
    details: Sequence[MethodDetails] = (),
    curves: pd.DataFrame | None = None,
    movements: pd.DataFrame | None = None,
    differences: pd.DataFrame | None = None,
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    guarantee: str = "",
    published: pd.DataFrame | None = None,
) -> None:
    """Write one self-contained HTML page about a comparison.

    Args:
        path: the file to write.
        title: what was compared, on what.
        rows: the results table, one row per (method, seed, set, metric); methods, shifts and
            outlier sets appear in the order in which they first occur.
        details: what else is known of each method, in the order to show; may lack methods.
        curves: the axes at each strength of each blend; columns method, seed, alpha (share of the pre-trained
            part: 0 is adapted alone, 1 untouched alone), chosen (whether it is the strength in use),
            id_accuracy, shift_accuracy, auroc (percent, NaN where unknown).
        movements: how far each layer moved; columns method, seed, epoch, parameter (in the order of the
            model), deviation (from the pre-trained weights, of the largest row: its sum of absolute values),
            radius (learned for it, in the same units, NaN where there is none).
        differences: tested differences between methods; columns a, b, axis (id_accuracy, shift_accuracy,
            auroc), difference (points, a less b), low, high (95 % interval), p (two-sided), p_holm (corrected
            over the pairs of the axis), beyond_noise (bool).
        facts: how this was measured: label and value, in the order to show.
        notes: sentences that the reader must know.
        guarantee: a sentence on what the open-set threshold promises here, such as the share to keep.
        published: figures of papers beside ours; the columns of `anchorline.report.published.COLUMNS`.

    Raises:
        ValueError: `rows` is empty or mixes suites or encoders, or a thumbnail is neither PNG
            nor JPEG, or the image of a frame no PNG.
    """
    if rows.empty:
        raise ValueError("a report needs at least one row of results")
    curves, movements, differences, published = (
        pd.DataFrame() if table is None else table for table in (curves, movements, differences, published)
    )
    pictures = _Pictures()
    templates = environment("anchorline.report")
    templates.filters |= {"picture": pictures.number, "shown_width": _shown_width}
    plotly_js, page_js = get_plotlyjs(), "\n".join(read(f"scripts/{name}") for name in SCRIPTS)
    page = templates.get_template("template.html.j2").render(
        **contents(Results(rows), details, curves, movements, differences, notes, published),
        title=title,
        facts=facts or {},
        notes=notes,
        guarantee=guarantee,
        pictures=pictures.json,
        style=Markup(read("style.css")),
        plotly_js=Markup(plotly_js),
        page_js=Markup(page_js),
        script_hashes=Markup(f"{script_hash(plotly_js)} {script_hash(page_js)}"),
    )
    # A file name may hold bytes that are no text; they are shown as escapes.
    path.write_text(page, encoding="utf-8", errors="backslashreplace", newline="\n")


class _Pictures:
    """The pictures of the page by number: methods share many, and each is written once."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}

    def number(self, image: bytes) -> int:
        return self.numbers.setdefault(image, len(self.numbers))

    def json(self) -> Markup:
        return Markup(json.dumps([_data_url(image) for image in self.numbers]))


def _data_url(image: bytes) -> str:
    """An encoded PNG or JPEG as a data URL."""
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
