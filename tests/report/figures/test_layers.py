"""Layers: how far each has moved, and the radius that was learned for it."""

import math

import numpy as np
import pandas as pd
import pytest

from anchorline.report.figures.layers import DECADES, deviations, radii
from anchorline.report.figures.style import COLOURS
from tests.helpers.small_report import LAYERS, movement


def test_deviations_show_one_line_a_method_at_its_last_epoch():
    figure = deviations(pd.concat([movement("a", epochs=3), movement("b", learned=False, seeds=2)]))
    assert [line.name for line in figure.data] == ["a", "b"]
    assert figure.layout.yaxis.type == "log"
    for line, far in zip(figure.data, (3, 2), strict=True):  # of the first seed
        assert line.x == (1, 2, 3, 4)
        assert line.customdata == LAYERS
        assert line.y == pytest.approx([far * 0.1**i for i in range(4)])
    ten = deviations(pd.concat([movement(f"method {i}") for i in range(2 * len(COLOURS))]))
    assert len({(line.line.color, line.line.dash, line.marker.symbol) for line in ten.data}) == 10


def test_layers_of_all_methods_stand_in_the_order_of_the_model():
    some, early = movement("biases", ["bn.bias", "head.bias"]), movement("late", ["stem", "bn.bias"])
    figure = deviations(pd.concat([some, movement("all"), early]))
    order = {name: x for line in figure.data for name, x in zip(line.customdata, line.x, strict=True)}
    assert sorted(order, key=order.__getitem__) == [
        "stem", "conv.weight", "bn.weight", "bn.bias", "proj.weight", "head.bias",
    ]  # fmt: skip
    assert [line.name for line in figure.data] == ["biases", "all", "late"]
    assert figure.data[0].x == (order["bn.bias"], order["head.bias"])


def test_layers_that_stay_or_hardly_move_do_not_stretch_the_axis():
    table = movement()
    table.loc[table.parameter == "bn.weight", "deviation"] = 0.0
    table.loc[table.parameter == "bn.bias", "deviation"] = 1e-12
    table.loc[table.parameter == "conv.weight", "deviation"] = math.inf
    figure = deviations(table)
    assert figure.data[0].customdata == ("bn.bias", "proj.weight")
    low, high = figure.layout.yaxis.range
    assert low < math.log10(0.002) < high < low + 1.1 * DECADES
    assert deviations(table.assign(deviation=0.0)) is None


def test_learned_radii_stand_beside_deviations_on_one_scale():
    moved = pd.concat(
        [movement("ftp"), movement("tune", learned=False), movement("tpgm", [*LAYERS, "x" * 99])]
    )
    figures = dict(radii(moved))
    assert list(figures) == ["ftp", "tpgm"]
    learned, walked = figures["ftp"].data
    assert np.array(walked.z) == pytest.approx(
        np.log10([[1, 2], [0.1, 0.2], [0.01, 0.02], [1e-3, 2e-3]]), abs=1e-3
    )
    assert np.array(learned.z) - np.array(walked.z) == pytest.approx(np.full((4, 2), math.log10(2)), abs=2e-3)
    assert [row[1] for row in learned.customdata][1] == ["bn.weight", 2, "0.4", "0.2"]
    first, other = (f.layout.coloraxis for f in figures.values())
    assert learned.coloraxis == walked.coloraxis == "coloraxis"
    assert (first.cmin, first.cmax) == (other.cmin, other.cmax) == (math.log10(4) - DECADES, math.log10(4))
    assert first.colorbar.title.text == "sum of absolute values, largest row"
    assert first.colorbar.ticktext == ("0.01", "0.1", "1")
    assert figures["ftp"].layout.yaxis.ticktext == LAYERS
    assert figures["ftp"].layout.yaxis.autorange == "reversed"
    assert len(figures["tpgm"].layout.yaxis.ticktext[-1]) == 30
    assert radii(pd.DataFrame()) == radii(movement(learned=False)) == []


def test_five_hundred_layers_are_no_taller_than_a_screen():
    names = [f"tower.trunk.blocks.{i}.attention.projection.weight" for i in range(500)]
    ((_, figure),) = radii(movement(layers=names).assign(deviation=0.1))
    assert figure.layout.height < 720
    assert len(figure.layout.yaxis.ticktext) <= 40
    assert figure.layout.yaxis.ticktext[-1].startswith("…")
    assert "attention.projection.weight" in figure.layout.yaxis.ticktext[-1]
