"""The conformal threshold: by hand, and its guarantee by simulation."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anchorline.metrics.open_set import Threshold, conformal_threshold, decisions


def test_the_threshold_by_hand():
    scores = torch.arange(1.0, 20)[torch.randperm(19, generator=torch.Generator().manual_seed(0))]
    assert conformal_threshold(scores, 0.95) == Threshold(1.0, 0.95, 19)  # k = floor(20 * .05) = 1
    assert conformal_threshold(scores, 0.9).value == 2
    assert conformal_threshold(scores, 0.5).value == 10
    assert conformal_threshold(scores[:9], 0.9).value == scores[:9].min()  # 10 * (1 - .9), a float below 1
    assert conformal_threshold(scores, 1).value == -math.inf


def test_too_few_images_keep_all_and_say_so():
    found = conformal_threshold(torch.arange(18.0), 0.95)
    assert found.value == -math.inf
    assert "at least 19 images of val" in str(found)
    assert "there are 18" in str(found)
    assert conformal_threshold(torch.arange(19.0), 0.95).value == 0
    assert "at least 0.95 of the in-distribution" in str(conformal_threshold(torch.arange(19.0), 0.95))
    assert "at least inf images" in str(conformal_threshold(torch.arange(19.0), 1))
    assert decisions(torch.tensor([-1e30, -math.inf]), None, found).kept == 1


@pytest.mark.parametrize("share", [0, -1, 1.5])
def test_a_share_that_is_none(share):
    with pytest.raises(ValueError, match="the share to keep"):
        conformal_threshold(torch.ones(5), share)


def test_decisions_by_hand():
    scores = torch.tensor([0.1, 0.5, 0.5, 0.9])
    right = torch.tensor([False, True, False, True])
    at = Threshold(0.5, 0.9, 10)
    found = decisions(scores, right, at)
    assert found == (0.75, pytest.approx(2 / 3))  # what scores as much as the threshold is kept
    unlabelled = decisions(scores, None, at)
    assert unlabelled.kept == 0.75
    assert math.isnan(unlabelled.accuracy)
    none = decisions(scores, right, Threshold(2.0, 0.9, 10))
    assert none.kept == 0
    assert math.isnan(none.accuracy)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_left_out_in_turn_each_image_is_kept_as_promised(scores, share):
    """The guarantee without chance: over which of n + 1 images is the new one, all equally likely."""
    values = torch.tensor(scores).double()
    kept = 0
    for at in range(len(values)):
        others = torch.cat([values[:at], values[at + 1 :]])
        threshold = conformal_threshold(others, share)
        kept += decisions(values[at : at + 1], None, threshold).kept
    assert kept / len(values) >= share - 1e-9
    if len(set(scores)) == len(scores):
        assert kept / len(values) <= share + 1 / len(values) + 1e-9


@pytest.mark.parametrize(("n", "share"), [(19, 0.95), (40, 0.9), (203, 0.95), (30, 0.95), (10, 0.95)])
def test_the_guarantee_by_simulation(n, share):
    """Over many draws of val and of new images of a skewed score, exactly 1 - k / (n + 1) are kept."""
    generator = torch.Generator().manual_seed(1)
    draws, new = 3000, 50
    val = torch.randn(draws, n, generator=generator).exp()
    test = torch.randn(draws, new, generator=generator).exp()
    kept = sum(
        decisions(b, None, conformal_threshold(a, share)).kept for a, b in zip(val, test, strict=True)
    ) / draws  # fmt: skip
    k = math.floor(round((n + 1) * (1 - share), 9))
    assert kept == pytest.approx(1 - k / (n + 1), abs=0.005)
    assert share - 0.005 <= kept <= share + 1 / (n + 1) + 0.005


def test_a_plain_quantile_would_break_the_promise():
    generator = torch.Generator().manual_seed(2)
    n, share = 10, 0.8
    naive = conformal = 0.0
    for _ in range(1500):
        val, test = torch.rand(n, generator=generator), torch.rand(40, generator=generator)
        naive += (test >= val.sort().values[2]).double().mean().item() / 1500  # keeps 80 % of val itself
        conformal += decisions(test, None, conformal_threshold(val, share)).kept / 1500
    assert naive < share - 0.04
    assert conformal >= share
