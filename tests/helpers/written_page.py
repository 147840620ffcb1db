"""A report, written and read again."""

import json
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd

from anchorline.report import MethodDetails, write_report


def page(
    path: Path,
    rows: pd.DataFrame,
    details: Sequence[MethodDetails] = (),
    *,
    title: str = "A comparison",
    curves: pd.DataFrame | None = None,
    movements: pd.DataFrame | None = None,
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> str:
    file = path / "report.html"
    facts = facts or {"FPR95 convention": "id-positive"}
    tables = {"curves": curves, "movements": movements}
    given = {name: pd.DataFrame() if table is None else table for name, table in tables.items()}
    write_report(file, title=title, rows=rows, details=details, facts=facts, notes=notes, **given)
    return file.read_text("utf-8")


class Page(HTMLParser):
    """The elements of a page with their attributes, its visible text, and its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[str | None, str]] = []
        self.ids: list[str | None] = []  # of the scripts
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

        if tag == "script":
            self.scripts.append((dict(attrs).get("type"), ""))
            self.ids.append(dict(attrs).get("id"))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            kind, before = self.scripts.pop()
            self.scripts.append((kind, before + data))
        else:
            self.text.append(data)

    def figures(self) -> list[dict[str, Any]]:
        found = [json.loads(data) for kind, data in self.scripts if kind == "application/json"]
        return [one for one in found if isinstance(one, dict)]

    def json(self, name: str) -> Any:
        return json.loads(self.scripts[self.ids.index(name)][1])
