"""What makes a page one file that runs its own scripts only: shared by the report and the smaller pages."""

import base64
import hashlib
import json
from importlib import resources

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def environment(package: str) -> Environment:
    """Templates of a package; all text is escaped."""
    made = Environment(
        loader=PackageLoader(package, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"figure_json": figure_json, "data_json": data_json}
    return made


def read(name: str) -> str:
    """A file of the report's package."""
    return resources.files("anchorline.report").joinpath(name).read_text("utf-8")


def script_hash(script: str) -> str:
    """The source expression by which a page's policy admits this very script, and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def figure_json(figure: go.Figure) -> Markup:
    return _harmless(figure.to_json())


def data_json(values: object) -> Markup:
    return _harmless(json.dumps(values, separators=(",", ":")))


def _harmless(text: str) -> Markup:
    """JSON that cannot end the <script> element it stands in."""
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
