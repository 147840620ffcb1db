"""Writes a page: one HTML file that holds all it shows, requests nothing and runs its own scripts only."""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import plotly.graph_objects as go
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from anchorline.engine.storage import write_text
from anchorline.report.pictures import Pictures, data_url, shown_width

_HERE = "anchorline.report"
# What a page can do beside showing: draw figures when they come into view, sort tables, save both.
_SCRIPTS = ("scripts/figures.js", "scripts/tables.js", "scripts/downloads.js", "scripts/start.js")


def render(
    package: str, template: str, path: Path, *, scripts: Sequence[str] = _SCRIPTS, **values: object
) -> None:
    """Write a page, whole or not at all.

    Args:
        package: that holds the template.
        template: its name; it extends "base.html.j2" of the report, and may include the report's sections.
        path: the file to write.
        scripts: files of the report's package, which the page runs after Plotly.
        values: the variables of the template.

    Raises:
        UserError: the file cannot be written; what was there before is still there.
        ValueError: a picture is neither PNG nor JPEG.
    """
    templates, pictures = environment(package), Pictures()
    templates.filters["picture"] = pictures.number
    run = [get_plotlyjs(), "\n".join(_read(name) for name in scripts)]
    page = templates.get_template(template).render(
        **values,
        style=Markup(_read("style.css")),
        scripts=[Markup(script) for script in run],
        script_hashes=Markup(" ".join(map(_hash, run))),
        pictures=pictures.json,
    )
    # A file name may hold bytes that are no text; they are shown as escapes.
    write_text(path, page, errors="backslashreplace")


def environment(package: str) -> Environment:
    """Templates of a package, and behind them those of the report; all text is escaped."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader(_HERE, ".")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"figure_json": _figure_json, "data_json": _data_json}
    made.filters |= {"data_url": data_url, "shown_width": shown_width}
    return made


def _read(name: str) -> str:
    return resources.files(_HERE).joinpath(name).read_text("utf-8")


def _hash(script: str) -> str:
    """The source expression by which a page's policy admits this very script, and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _figure_json(figure: go.Figure) -> Markup:
    return _harmless(figure.to_json())


def _data_json(values: object) -> Markup:
    return _harmless(json.dumps(values, separators=(",", ":")))


def _harmless(text: str) -> Markup:
    """JSON that cannot end the <script> element it stands in."""
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
