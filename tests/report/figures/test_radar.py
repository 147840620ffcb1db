"""Radars of all three axes."""

import pytest

from anchorline.report.figures.radar import radars
from anchorline.report.numbers import Results
from tests.helpers.small_report import table


def test_radars_show_all_changes_on_one_scale():
    shown = radars(Results(table()))
    assert shown is not None
    assert (shown.centre, shown.corner, shown.shown, shown.left_out) == (-25, 25, 2, 0)
    outline, tuned, _, kept = shown.figure.data
    assert set(outline.r) == {0.0}
    assert tuned.r == (22.0, -8.0, -6.0, 22.0)
    assert kept.r == (20.0, 1.5, 0.5, 20.0)
    assert [p.radialaxis.range for p in shown.figure.select_polars()][:2] == [(-25, 25)] * 2
    assert "+22.0" in tuned.theta[0]
    assert "\N{MINUS SIGN}8.0" in tuned.theta[1]


def test_large_losses_do_not_shrink_gains():
    shown = radars(Results(table({"zero-shot": (70.0, 60.0, 90.0), "worse": (71.0, 28.0, 90.0)})))
    assert shown is not None
    assert (shown.centre, shown.corner) == (-35, 5)


@pytest.mark.parametrize("missing", ["shifts", "outliers"])
def test_no_radar_without_all_three_axes(missing: str):
    assert radars(Results(table(**{missing: ()}))) is None
