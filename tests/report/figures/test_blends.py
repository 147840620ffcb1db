"""Blends: each axis against the strength, and the way through the plane."""

import numpy as np
import pandas as pd
import pytest

from anchorline.report.figures.blends import blends
from tests.helpers.small_report import curve


def test_blends_show_each_axis_and_the_way_through_the_plane():
    ((method, figure),) = blends(curve())
    assert method == "ftp"
    assert [a.text for a in figure.layout.annotations] == [
        "in distribution: accuracy (%)",
        "shifts: mean accuracy (%)",
        "outliers: mean AUROC (%)",
        "shifts against in distribution",
    ]
    line, used = figure.data[:2]
    assert (line.x[:3], line.y[:3]) == ((0.0, 0.05, 0.1), (80.0, 79.5, 79.0))
    assert (used.x, used.y) == ((0.05,), (79.5,))


def test_blends_of_several_seeds_average_only_what_all_seeds_share():
    ((_, figure),) = blends(curve(seeds=3))
    band, line, used = figure.data[:3]
    assert line.x == tuple(i / 10 for i in range(11))
    assert line.y[0] == 81.0
    assert max(band.y) == 82.0
    assert set(line.customdata) == {" ± 1.0"}
    assert used.x == pytest.approx((0.05, 0.15, 0.25))
    assert used.y == pytest.approx((79.5, 79.5, 79.5))
    assert list(used.customdata) == ["seed 0, α = 0.05", "seed 1, α = 0.15", "seed 2, α = 0.25"]


def test_blends_leave_out_unknown_axes_and_methods_without_any():
    no_outliers = curve("a").assign(auroc=None)
    only_test = curve("b").assign(shift_accuracy=np.nan, auroc=np.nan)
    nothing = curve("c").assign(id_accuracy=np.nan, shift_accuracy=np.nan, auroc=np.nan)
    found = blends(pd.concat([no_outliers, only_test, nothing]))
    assert [(m, len(f.layout.annotations)) for m, f in found] == [("a", 3), ("b", 1)]
    assert blends(pd.DataFrame()) == []


def test_all_panels_of_blends_span_equally_many_points():
    figures = blends(pd.concat([curve("a", id_accuracy=99.5), curve("b", seeds=2, auroc=9.0)]))
    panels = [axis.range for _, f in figures for axis in f.select_yaxes()]
    assert len(panels) == 8
    assert [high - low for low, high in panels] == pytest.approx([panels[0][1] - panels[0][0]] * 8)
    assert all(low > -2 and high < 102 for low, high in panels)
