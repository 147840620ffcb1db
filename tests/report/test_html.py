"""What every page shares: it is written whole or not at all, and its templates ask for what there is."""

import re
from dataclasses import fields
from importlib import resources
from pathlib import Path

import pytest
from jinja2 import UndefinedError, meta

from anchorline.errors import UserError
from anchorline.report.contents import PageContents
from anchorline.report.html import environment, render

OF_RENDER = {"style", "scripts", "script_hashes", "pictures"}
OF_CHART_PAGE = {"title", "summary", "charts", "more", "facts", "notes"}


def write(path: Path, **changed: object) -> None:
    values: dict[str, object] = {"title": "a page", "summary": [], "charts": [], "more": ""}
    values |= {"facts": {}, "notes": [], **changed}
    render("anchorline.report", "chart_page.html.j2", path, scripts=("scripts/draw.js",), **values)


def test_a_full_disk_leaves_the_page_of_yesterday(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page = tmp_path / "report.html"
    write(page, title="yesterday")
    before = page.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("anchorline.engine.storage.os.fsync", full)
    with pytest.raises(UserError, match=r"cannot write .*report\.html .*No space left"):
        write(page, title="today")
    assert page.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_variable_that_is_not_given_is_an_error_and_no_blank(tmp_path: Path):
    with pytest.raises(UndefinedError, match="'charts' is undefined"):
        render("anchorline.report", "chart_page.html.j2", tmp_path / "page.html", title="", summary=[])
    assert not list(tmp_path.iterdir())


def asked_for(*templates: str) -> set[str]:
    """The variables of templates and of all that they include or extend."""
    found: set[str] = set()
    known = environment("anchorline.report")
    known.filters["picture"] = str
    for name in templates:
        source = resources.files("anchorline.report").joinpath(name).read_text("utf-8")
        tree = known.parse(source)
        parts = [part for part in meta.find_referenced_templates(tree) if part]
        found |= meta.find_undeclared_variables(tree) | asked_for(*parts)
    return found - OF_RENDER


def test_the_report_gives_its_templates_all_that_they_ask_for_and_nothing_else():
    known = {field.name for field in fields(PageContents)}
    assert asked_for("template.html.j2") == known | {"sections"}


def test_the_chart_page_gives_its_template_all_that_it_asks_for_and_nothing_else():
    assert asked_for("chart_page.html.j2") == OF_CHART_PAGE


def test_a_name_that_is_no_text_is_shown_as_escapes(tmp_path: Path):
    write(tmp_path / "page.html", title="caf\udce9.png")
    assert re.search(r"<h1>caf\\udce9\.png</h1>", (tmp_path / "page.html").read_text("utf-8"))
