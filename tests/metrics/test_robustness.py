"""Robustness measures by hand, and their laws."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anchorline.metrics.robustness import (
    ReferenceLine,
    Worst,
    agreement,
    negative_flips,
    positive_flips,
    relative_robustness,
    worst_class,
    worst_group,
)

SHARES = st.floats(0.01, 0.99)
RIGHTS = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*(st.lists(st.booleans(), min_size=n, max_size=n) for _ in range(2)))
)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_relative_robustness_is_in_points():
    assert relative_robustness(0.62, 0.5) == pytest.approx(12)


def test_a_line_is_fitted_in_logits():
    points = [(sigmoid(x), sigmoid(0.5 + 2 * x)) for x in (-1.0, 0.2, 0.7)]
    line = ReferenceLine.fit(points)
    assert (line.slope, line.intercept) == pytest.approx((2, 0.5))
    assert line.expected(sigmoid(0.4)) == pytest.approx(sigmoid(1.3))
    assert line.effective_robustness(sigmoid(0.4), sigmoid(1.3) + 0.05) == pytest.approx(5)
    noisy = ReferenceLine.fit([(0.5, sigmoid(-1)), (0.5, sigmoid(1)), (sigmoid(1), sigmoid(2))])
    assert noisy.expected(0.5) == pytest.approx(0.5)  # least squares: between the two
    assert noisy.expected(sigmoid(1)) == pytest.approx(sigmoid(2))


@pytest.mark.parametrize("points", [[], [(0.5, 0.4)], [(0.5, 0.4), (0.5, 0.6)]])
def test_a_line_needs_two_different_points(points):
    with pytest.raises(ValueError, match="at least two points with different id accuracy"):
        ReferenceLine.fit(points)


@given(SHARES, SHARES, SHARES)
def test_the_line_through_the_untouched_encoder(ours, known, shifted):
    line = ReferenceLine.through(known, shifted)
    assert line.expected(known) == pytest.approx(shifted)
    assert line.effective_robustness(known, shifted) == pytest.approx(0, abs=1e-9)
    odds = (ours / (1 - ours)) / (known / (1 - known)) * shifted / (1 - shifted)
    assert line.expected(ours) == pytest.approx(odds / (1 + odds))
    assert (line.expected(ours) > shifted) == (ours > known) or math.isclose(ours, known)


def test_perfect_accuracies_are_held_off_infinity():
    line = ReferenceLine.through(1.0, 0.9)
    assert line == ReferenceLine.through(0.999, 0.9)
    assert line.effective_robustness(1.0, 1.0) == pytest.approx(9.9)
    for held in (0.0, 1.0):  # the model that the line goes through lies on it
        assert ReferenceLine.through(0.8, held).effective_robustness(0.8, held) == pytest.approx(0)
    assert math.isfinite(ReferenceLine.fit([(0.0, 0.0), (1.0, 1.0)]).slope)


def test_worst_class_by_hand():
    labels = torch.tensor([0, 0, 0, 2, 2, 5])
    right = torch.tensor([True, True, False, True, False, False])
    assert worst_class(right, labels) == Worst("", 5, 0.0, 1)
    assert worst_class(right, labels, least=2) == Worst("", 2, 0.5, 2)
    assert worst_class(right, labels, least=3, name="test") == Worst("test", 0, pytest.approx(2 / 3), 3)
    assert worst_class(right, labels, least=4) is None
    assert worst_class(right, labels, least=0) == Worst("", 5, 0.0, 1)  # classes without images are none


def test_worst_group_is_over_sets_and_classes():
    sets = {
        "a": (torch.tensor([True, False, True, True]), torch.tensor([0, 0, 1, 1])),
        "b": (torch.tensor([True, False, False]), torch.tensor([1, 1, 1])),
        "c": (torch.tensor([False]), torch.tensor([0])),
    }
    assert worst_group(sets, least=2) == Worst("b", 1, pytest.approx(1 / 3), 3)
    assert worst_group(sets) == Worst("c", 0, 0.0, 1)
    assert worst_group(sets, least=9) is None


@given(RIGHTS)
def test_broken_and_mended_are_the_change_of_accuracy(pair):
    now, before = (torch.tensor(one) for one in pair)
    change = now.double().mean().item() - before.double().mean().item()
    assert positive_flips(now, before) - negative_flips(now, before) == pytest.approx(change)
    assert positive_flips(now, before) == negative_flips(before, now)
    same = (now == before).double().mean().item()
    assert positive_flips(now, before) + negative_flips(now, before) == pytest.approx(1 - same)


def test_broken_mended_and_agreement_by_hand():
    now, before = torch.tensor([1, 1, 0, 0]).bool(), torch.tensor([1, 0, 1, 1]).bool()
    assert (negative_flips(now, before), positive_flips(now, before)) == (0.5, 0.25)
    assert agreement(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 0, 0])) == 0.5
    assert np.isclose(agreement(torch.tensor([7]), torch.tensor([7])), 1)
