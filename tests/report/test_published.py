"""Published figures beside ours: what is matched, what is missing, and how the page shows it."""

import math
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorline import compare
from anchorline.report import write_report
from anchorline.report.published import COLUMNS, Published, beside
from anchorline.report.tables.published import published_section, published_table, sources
from tests.helpers.reported import Suite as Made

HOSTILE = "</script><img src=x onerror=alert(1)>"


def row(method="ftp", seed=0, value=50.0, **more) -> dict[str, object]:
    # fmt: off
    return {
        "method": method, "seed": seed, "set": "", "role": "test", "metric": "accuracy", "value": value,
        "unit": "%", "score": "", "convention": "", **more,
    }
    # fmt: on


def figure(method="ftp", set="test", metric="accuracy", value=48.0, **more) -> Published:
    return Published(method, set, metric, value, more.pop("source", "paper, table 1"), **more)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=5), st.floats(0, 100))
def test_ours_is_the_mean_over_seeds_and_the_difference_is_ours_less_theirs(values, paper):
    rows = pd.DataFrame([row(seed=i, value=v, set="test") for i, v in enumerate(values)])
    (found,) = beside(rows, [figure(value=paper)]).itertuples()
    assert found.seeds == len(values)
    assert found.measured == pytest.approx(sum(values) / len(values))
    assert found.difference == pytest.approx(found.measured - paper)
    assert math.isnan(found.deviation) == (len(values) == 1)


@pytest.mark.parametrize("other", [{"method": "spd"}, {"set": "sketch"}, {"metric": "ece"}])
def test_another_method_set_or_metric_is_not_ours(other):
    (found,) = beside(pd.DataFrame([row(set="test") | other]), [figure()]).itertuples()
    assert math.isnan(found.measured)
    assert math.isnan(found.difference)
    assert (found.seeds, found.paper) == (0, 48.0)


def test_a_detector_and_a_convention_are_matched_and_a_mean_of_the_summary_has_but_one_score():
    ours = {("msp", "id-positive"): 40.0, ("mcm", "id-positive"): 30.0, ("mcm", "outlier-positive"): 20.0}
    rows = [row(value=v, set="all", metric="fpr95", score=s, convention=c) for (s, c), v in ours.items()]
    rows += [row(value=91.0, set=None, role="summary", metric="auroc", score="msp")]
    wanted = [
        figure(set="all", metric="fpr95", score="mcm", convention="id-positive"),
        figure(set="all", metric="fpr95", score="energy"),
        figure(set="", metric="auroc"),
    ]
    found = beside(pd.DataFrame(rows), wanted)
    assert found.measured.tolist() == pytest.approx([30.0, math.nan, 91.0], nan_ok=True)
    assert tuple(found.columns) == COLUMNS


def test_rows_of_a_task_that_has_no_scores():
    rows = pd.DataFrame([row(metric="miou", set="fog/3")]).drop(columns=["score", "convention", "unit"])
    assert beside(rows, [figure(set="fog/3", metric="miou")]).measured.tolist() == [50.0]
    assert beside(rows, []).empty


def test_the_table_says_what_is_missing_and_where_each_figure_comes_from():
    rows = pd.DataFrame([row(seed=s, value=50.0 + s, set="test") for s in range(2)])
    wanted = [figure(), figure(set="sketch"), figure(set="", metric="shift_accuracy", note="other mean")]
    table = published_table(beside(rows, wanted))
    outputs = [[cell.text for cell in cells] for cells in table.rows]
    assert outputs == [
        ["ftp", "test", "accuracy", "50.5", "48.0", "+2.5", "1"],
        ["ftp", "sketch", "accuracy", "–", "48.0", "–", "1"],
        ["ftp", "mean of shifts", "accuracy", "–", "48.0", "–", "2"],
    ]
    assert table.rows[0][3].small == "± 0.7"
    assert [(s.number, s.note) for s in sources(beside(rows, wanted))] == [(1, ""), (2, "other mean")]


def test_the_page_has_the_section_where_there_are_figures_and_only_there(tmp_path):
    rows = Made(methods=("zero-shot", "ftp"), seeds=1).rows()
    pages = []
    for published in ([], [figure(set="test", note=HOSTILE)]):
        write_report(tmp_path / "page.html", title="t", rows=rows, published=beside(rows, published))
        pages.append((tmp_path / "page.html").read_text())
    assert ['id="published"' in page for page in pages] == [False, True]
    assert ['href="#published"' in page for page in pages] == [False, True]
    assert HOSTILE not in pages[1]
    assert "&lt;/script&gt;" in pages[1]


def test_the_section_alone_for_other_pages():
    rows = pd.DataFrame([row(set="test")])
    section = published_section(beside(rows, [figure(note=HOSTILE)]))
    assert section.strip().startswith("<section")
    assert HOSTILE not in section
    assert re.search(r"48\.0", section)
    assert published_section(beside(rows, [])) == ""


def test_compare_writes_them(tiny_encoder, colours, tmp_path):
    published = [figure("zero-shot", "test"), figure("zero-shot", "dark"), figure("zero-shot", "elsewhere")]
    found = compare(colours, tiny_encoder, [], tmp_path, published=published)
    written = pd.read_csv(tmp_path / "published.csv")
    assert tuple(written.columns) == COLUMNS
    assert written.measured.notna().tolist() == [True, True, False]
    ours = found.rows[(found.rows.set == "test") & (found.rows.metric == "accuracy")].value.iloc[0]
    assert written.measured[0] == pytest.approx(ours)
    assert 'id="published"' in found.report.read_text()
