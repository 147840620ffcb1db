"""The page as a whole: it stays offline, no name can break it, and it copes with what is missing or large."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anchorline.report import MethodDetails, Mistake
from anchorline.report.tables.cells import DASH
from tests.helpers.small_report import AXES, PNG, curve, detail, movement, table
from tests.helpers.written_page import Page, page

HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_names_are_text_everywhere(tmp_path: Path):
    """No name becomes an element, an attribute or a part of a script, in HTML or in plotly."""
    axes = {HOSTILE: AXES["ftp"], "zero-shot": AXES["zero-shot"]}
    rows = table(axes, shifts=[HOSTILE], outliers=[HOSTILE])
    classes = [f'{HOSTILE}" onload="alert(2)', "dog"]
    bad = detail(HOSTILE, classes, [HOSTILE])
    kinds = {"title": HOSTILE, "facts": {HOSTILE: HOSTILE}, "notes": [HOSTILE], "curves": curve(HOSTILE)}
    kinds["movements"] = movement(HOSTILE, [HOSTILE, "proj"])
    harmless = table({"a": AXES["ftp"], "zero-shot": AXES["zero-shot"]})
    moved = movement("a", ["conv", "proj"])
    plain = Page(page(tmp_path, harmless, [detail("a")], curves=curve("a"), movements=moved))
    parsed = Page(page(tmp_path, rows, [bad], **kinds))

    numbers = [a["data-picture"] for tag, a in parsed.elements if tag == "img"]
    assert numbers == ["0"] * 5  # all alike, so it stands there once
    (pictures,) = parsed.json("pictures")
    assert pictures.startswith("data:image/png;base64,")
    assert not any(name.startswith("on") for _, a in parsed.elements for name in a)
    assert [kind for kind, _ in parsed.scripts] == [kind for kind, _ in plain.scripts]
    assert parsed.text.count(HOSTILE) > 12
    figures = parsed.figures()
    data = [json.dumps(figure["layout"].pop("meta")) for figure in figures]  # of the CSV: never drawn
    assert all(HOSTILE in one for one in data[:3])
    drawn = json.dumps(figures)
    assert "&lt;/script&gt;" in drawn
    assert "<img" not in drawn


def test_undecodable_paths_are_written_as_escapes(tmp_path: Path):
    assert "caf\\udce9" in page(tmp_path, table(), [detail(path="caf\udce9.png")])


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path):
    parsed = Page(page(tmp_path, table(), [detail()], curves=curve(), movements=movement()))
    for tag, attributes in parsed.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), (tag, value)
    policy = next(a["content"] or "" for _, a in parsed.elements if "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1]
    assert sum("plotly.js v" in data for _, data in parsed.scripts) == 1


def test_without_shifts_outliers_and_details(tmp_path: Path):
    bare = MethodDetails("ftp", "", [], [], pd.DataFrame())
    text = page(tmp_path, table({"ftp": AXES["ftp"]}, shifts=(), outliers=()), [bare])
    assert "Nothing to plot" in text
    # fmt: off
    for section in (
        "shifts", "outliers", "blends", "layers", "confidence", "classes", "mistakes", "changed", "frames",
    ):
        # fmt: on
        assert f'id="{section}"' not in text
        assert f'href="#{section}"' not in text
    assert not Page(text).figures()


def test_missing_values_are_dashes(tmp_path: Path):
    rows = table()
    rows.loc[rows["metric"].isin(["peak_memory", "auroc", "delta_auroc"]), "value"] = np.nan
    curves = curve().assign(auroc=None)
    curves.loc[3, "shift_accuracy"] = np.nan
    movements = movement()
    movements.loc[2, ["deviation", "radius"]] = np.nan
    text = page(tmp_path, rows, [detail()], curves=curves, movements=movements)
    assert f"<td>{DASH}</td>" in text
    assert not re.search(r">[^<]*\bnan\b[^<]*<", re.sub(r"<script.*?</script>", "", text, flags=re.S))
    assert "NaN" not in json.dumps(Page(text).figures())


def test_sixty_methods_and_a_thousand_classes(tmp_path: Path):
    axes = {f"method {i}": (60 + i / 2, 70 - i / 3, 80.0) for i in range(59)}
    axes["x" * 200] = (99.0, 40.0, 70.0)
    classes = [f"class {i}" for i in range(1000)]
    text = page(tmp_path, table(axes), [detail("method 0", classes), detail("method 1", classes)])
    names = [row[0] for n in (1, 2) for row in Page(text).json(f"classes-{n}")]
    assert names == 2 * classes
    trade = Page(text).figures()[0]
    assert len(trade["data"][1]["x"]) == 60
    assert max(len(html.unescape(a["text"])) for a in trade["layout"]["annotations"]) <= 28


def test_frames_must_be_png(tmp_path: Path):
    jpeg = b"\xff\xd8\xff" + bytes(30)
    bad = MethodDetails("ftp", "", [], [], pd.DataFrame(), frames=[(PNG, jpeg)])
    with pytest.raises(ValueError, match="must be PNG"):
        page(tmp_path, table(), [bad])


@pytest.mark.parametrize("column", ["suite_hash", "encoder_hash"])
def test_mixed_tables_are_refused(tmp_path: Path, column: str):
    rows = table()
    rows.loc[0, column] = "another"
    with pytest.raises(ValueError, match=column):
        page(tmp_path, rows)


def test_empty_tables_and_unknown_thumbnails_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="at least one row"):
        page(tmp_path, table().iloc[:0])
    bad = Mistake(b"<svg/>", "test", "a.svg", "cat", "dog", 0.5)
    with pytest.raises(ValueError, match="PNG or JPEG"):
        page(tmp_path, table(), [MethodDetails("ftp", "", [], [bad], pd.DataFrame())])
