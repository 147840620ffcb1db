"""The page in a real browser: offline, quiet, sortable, and what its buttons save."""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from anchorline.report import write_report
from tests.helpers.browser import Browser
from tests.helpers.reported import Suite

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")
HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    one = Browser(CHROMIUM, tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


def written(directory: Path, suite: Suite, bare: bool = False, **more: Any) -> Path:
    """The report of a made-up comparison; a bare one has its rows and differences alone."""
    file = directory / "report.html"
    given = {"title": "A comparison", "rows": suite.rows(), "differences": suite.differences()}
    if not bare:
        classes = [HOSTILE, *(f"class {i}" for i in range(999))]
        given |= {"details": suite.details(classes), "curves": suite.curves(), "movements": suite.movements()}
    write_report(file, **given | more)
    return file


def text(selector: str) -> str:
    return f"[...document.querySelectorAll({selector!r})].map(e => e.firstChild.textContent)"


def quiet(browser: Browser) -> None:
    assert browser.problems == []
    assert [r for r in browser.requests if not r.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every section; a class, a method and a set with a hostile name."""
    methods = ("zero-shot", "fine-tune", "wise-ft", "ftp", "reprogrammer", HOSTILE)
    suite = Suite(methods, seeds=2, shifts=("filled", HOSTILE), detectors=("msp", "mcm", "energy"))
    return written(tmp_path_factory.mktemp("full"), suite, notes=[HOSTILE])


@pytest.fixture
def page(browser: Browser, full: Path) -> Browser:
    browser.open(full)
    return browser


def test_everything_is_drawn_offline_without_an_error_on_both_widths(page: Browser):
    ids = page.run("[...document.querySelectorAll('section')].map(s => s.id)")
    assert len(ids) == 18
    page.run("drawAll()")
    page.run("for (const f of document.querySelectorAll('details')) f.open = true")
    count = "document.querySelectorAll('[data-figure]').length"
    assert page.run("document.querySelectorAll('[data-figure] > .plot-container').length") == page.run(count)
    assert page.run("[...document.images].every(i => i.src.startsWith('data:image/'))")
    for width in (1180, 390):
        page.resize(width, 900)
        assert page.run("document.documentElement.scrollWidth") <= width
    quiet(page)


def test_a_figure_is_drawn_when_it_comes_near(page: Browser):
    drawn = "document.querySelectorAll('.plot-container').length"
    before = page.run(drawn)
    assert 0 < before < page.run("document.querySelectorAll('[data-figure]').length")
    page.run("document.getElementById('corruptions').scrollIntoView({behavior: 'instant'})")
    waiting = (
        "new Promise(d => { const t = setInterval(() => { if (DRAWN > N) { clearInterval(t); d(true) } }) })"
    )
    assert page.run(waiting.replace("DRAWN", drawn).replace("N)", f"{before})", 1))
    lines = "#corruptions .scatterlayer .js-line"
    assert (
        page.run(f"[...document.querySelectorAll('{lines}')].filter(l => l.getBBox().height > 1).length") > 50
    )


def test_tables_sort_and_missing_values_stay_last(page: Browser):
    cells = text("#results tbody td:nth-child(2)")
    numbers = sorted((float(v) for v in page.run(cells)), reverse=True)
    page.run("document.querySelectorAll('#results thead tr:last-child button')[1].click()")
    assert [float(v) for v in page.run(cells)] == numbers
    page.run("document.querySelectorAll('#results thead tr:last-child button')[1].click()")
    assert [float(v) for v in page.run(cells)] == numbers[::-1]


def test_a_select_shows_one_panel(page: Browser):
    visible = "[...document.querySelectorAll('[id^=detector-method-]')].filter(p => !p.hidden).map(p => p.id)"
    assert page.run(visible) == ["detector-method-0"]
    page.run(
        "{const s = document.getElementById('detector-method');"
        "s.selectedIndex = 3; s.dispatchEvent(new Event('change'))}"
    )
    assert page.run(visible) == ["detector-method-3"]


def test_a_thousand_classes_become_rows_when_they_are_looked_at(page: Browser):
    rows = "document.querySelectorAll('#classes details:first-of-type tbody tr').length"
    assert page.run(rows) == 0
    fold = "document.querySelector('#classes details')"
    page.run(
        f"new Promise(d => {{ {fold}.addEventListener('toggle', d); {fold}.open = true }}).then(() => 1)"
    )
    assert page.run(rows) == 1000
    assert page.run(f"{fold}.querySelector('tbody th').textContent") == HOSTILE


def save(section: str, kind: str) -> str:
    buttons = f"[...document.querySelectorAll('#{section} .tools button')]"
    return f"{buttons}.find(b => b.textContent === '{kind}').click()"


def test_figures_are_saved_as_pictures_and_numbers(page: Browser, full: Path):
    drawing = ElementTree.parse(page.download(save("trade", "SVG"))).getroot()
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    assert "fine-tune" in "".join(drawing.itertext())
    assert page.download(save("heat", "PNG")).read_bytes().startswith(b"\x89PNG")
    with page.download(save("corruptions", "CSV")).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} >= {"zero-shot", HOSTILE}
    assert {row["severity"] for row in rows} == set("012345")
    assert any(len(row["accuracy"]) > 8 for row in rows)  # in full
    with page.download(save("differences", "CSV")).open(newline="") as file:
        assert "p_holm" in next(csv.reader(file))
    quiet(page)


def test_tables_are_saved_in_full_with_their_intervals(page: Browser):
    with page.download(save("results", "CSV")).open(newline="") as file:
        first, second, *_ = csv.DictReader(file)
    assert first["Method"] == "zero-shot"
    name = "Result (%): in distribution (accuracy)"
    assert float(first[f"{name} low"]) < float(first[name]) < float(first[f"{name} high"])
    assert first[f"{name} sd"] == second[f"{name} low"] == ""
    assert float(second[f"{name} sd"]) > 0
    assert not math.isclose(float(second[name]), round(float(second[name]), 1), abs_tol=1e-6)


@pytest.mark.parametrize(
    "suite",
    [
        Suite(
            [f"method {i}" for i in range(59)] + ["zero-shot"],
            seeds=1,
            detectors=("msp",),
            corruptions=("fog", "own"),
        ),
        Suite(["ftp"], seeds=1),
        Suite(["zero-shot", "ftp"], seeds=1, shifts=(), outliers=(), detectors=(), corruptions=()),
    ],
    ids=["sixty methods", "one method", "test alone"],
)
def test_small_and_large_comparisons(browser: Browser, tmp_path: Path, suite: Suite):
    browser.open(written(tmp_path, suite, bare=True))
    browser.run("drawAll()")
    assert browser.run("document.querySelectorAll('#results tbody tr').length") == len(suite.methods)
    browser.resize(390, 900)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    quiet(browser)
