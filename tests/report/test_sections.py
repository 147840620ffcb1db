"""What each section of the page says and shows."""

import re
from pathlib import Path

import pandas as pd
import pytest

from anchorline.report import MethodDetails
from anchorline.report.figures.radar import MOST
from anchorline.report.tables.cells import DASH
from tests.helpers.small_report import AXES, PNG, curve, detail, movement, table
from tests.helpers.written_page import Page, page


def test_the_page_shows_results_with_sign_unit_and_interval(tmp_path: Path):
    text = page(tmp_path, table(), [detail()], notes=["Shift 'sketch' holds 7 of the 10 classes."])
    assert re.search(r'class="best" data-value="92" data-spread="91 93">92.0<small>91.0.93.0</small>', text)
    assert re.search(r'class="gain"[^>]*>\+20.0<', text)
    assert re.search(r'class="loss"[^>]*>\N{MINUS SIGN}8.0<', text)
    for expected in ("86.2 M", "MiB", "31.4", "27.1", "id-positive", "outlier-positive"):
        assert expected in text
    assert "Shift &#39;sketch&#39; holds 7 of the 10 classes." in text
    assert "98.7 % · sketch" in text


def test_several_seeds_show_mean_and_deviation(tmp_path: Path):
    text = page(tmp_path, table(seeds=3))
    assert "93.0<small>± 1.0</small>" in text
    assert 'data-spread="1">93.0' in text
    assert f"91.0{DASH}93.0" not in text


def test_no_radar_without_the_untouched_encoder(tmp_path: Path):
    assert "All three axes at once" not in page(tmp_path, table({"ftp": AXES["ftp"]}))


def test_the_page_says_which_radars_are_left_out(tmp_path: Path):
    axes = AXES | {f"method {i}": (80.0, 60.0, 90.0) for i in range(MOST)}
    assert "The first 12 methods are shown; the table below holds the other 2 too." in page(
        tmp_path, table(axes)
    )


def test_the_page_says_that_blends_train_nothing(tmp_path: Path):
    text = page(tmp_path, table(), curves=pd.concat([curve(), curve("fine-tune")]))
    assert "Nothing was trained for these curves" in text
    assert 'href="#blends"' in text
    assert len(Page(text).figures()) == 5  # trade, radars, changes by set and two blends
    assert "once a seed" not in text
    assert "once a seed" in page(tmp_path, table(seeds=2), curves=curve(seeds=2))


def test_the_page_tells_what_a_radius_is_where_one_was_learned(tmp_path: Path):
    both = pd.concat([movement(), movement("fine-tune", learned=False)])
    text = page(tmp_path, table(), curves=curve(), movements=both)
    assert text.index('id="blends"') < text.index('id="layers"') < text.index('id="measured"')
    assert 'href="#layers"' in text
    assert "a deviation cannot exceed its radius" in text
    assert "<h3>ftp: learned radii</h3>" in text
    assert "<h3>fine-tune: learned radii</h3>" not in text
    assert "of the first seed" not in text
    assert "of the first seed" in page(tmp_path, table(seeds=2), movements=movement(seeds=2))
    without = page(tmp_path, table(), movements=movement(learned=False))
    assert 'id="layers"' in without
    assert "radius" not in without.split('<section id="layers">')[1].split("</section>")[0]


def test_changed_images_are_counted_and_shown(tmp_path: Path):
    text = page(tmp_path, table(), [MethodDetails("zero-shot", "", [], [], pd.DataFrame()), detail()])
    section = text.split('<section id="changed">')[1].split("</section>")[0]
    assert section.count("<details") == 1
    assert ">1,200<" in section
    assert 'class="loss" data-value="-1000">\N{MINUS SIGN}1,000<' in section
    assert 'class="gain" data-value="10">+10<' in section
    assert 'cat → <span class="wrong">dog</span>' in section
    assert '<span class="wrong">dog</span> → cat' in section
    assert 'title="flags: cat/2.png"' in section


def test_learned_frames_stand_in_pairs_and_small_ones_are_doubled(tmp_path: Path):
    large = PNG[:-8] + (224).to_bytes(4) * 2
    details = [detail(), MethodDetails("big", "", [], [], pd.DataFrame(), frames=[(large, large)])]
    section = page(tmp_path, table(), details).split('<section id="frames">')[1].split("</section>")[0]
    assert section.count('width="128"') == section.count('width="224"') == 2
    assert section.count("<li>") == 2


def test_a_method_that_fails_stands_at_the_edge_of_the_trade(tmp_path: Path):
    axes = {f"method {i}": (80.0 + i, 60.0 + i, 90.0) for i in range(8)} | {"failed": (20.0, 11.0, 60.0)}
    text = page(tmp_path, table(axes))
    figure = Page(text).figures()[0]
    assert figure["layout"]["xaxis"]["range"][0] > 70
    assert [a["text"] for a in figure["layout"]["annotations"]].count("failed (20.0 / 11.0)") == 1
    assert "Triangles at the edge" in text
    assert "Triangles at the edge" not in page(tmp_path, table())


@pytest.mark.parametrize("marked", ["a method", "a note", "nothing"])
def test_what_an_oracle_chose_is_marked_at_the_top(tmp_path: Path, marked: str):
    axes = {"zero-shot": AXES["zero-shot"], "ftp (oracle)" if marked == "a method" else "ftp": AXES["ftp"]}
    notes = ["selected by the oracle"] if marked == "a note" else ["nothing to say"]
    text = page(tmp_path, table(axes), notes=notes)
    assert ('class="banner"' in text) == (marked != "nothing")
    assert ("They are optimistic" in text.split("<nav")[0]) == (marked != "nothing")
