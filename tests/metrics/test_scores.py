"""Scores against hand-computed values, brute force over all thresholds, and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from anchorline.metrics.detection import auroc, detect
from anchorline.metrics.scores import mcm, msp

# Few distinct values, so that ties within and between the sets are common; lengths around 20, where
# 95 % is a whole number of images.
SCORES = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=45)


def fpr_at_95_tpr(inside: torch.Tensor, outside: torch.Tensor) -> float:
    return detect(inside, outside).fpr95


def fpr_outlier_positive(inside: torch.Tensor, outside: torch.Tensor) -> float:
    return detect(inside, outside).fpr95_outlier_positive


MEASURES = (auroc, fpr_at_95_tpr, fpr_outlier_positive)
often = settings(max_examples=100, deadline=None)


def by_pairs(inside: list[float], outside: list[float]) -> float:
    return sum((a > b) + (a == b) / 2 for a in inside for b in outside) / (len(inside) * len(outside))


def by_thresholds(positive: list[float], negative: list[float]) -> float:
    """The lowest false positive rate of all thresholds that keep 95 % of the positives."""
    rates = [
        sum(n >= threshold for n in negative) / len(negative)
        for threshold in (*positive, *negative, math.inf)
        if 100 * sum(p >= threshold for p in positive) >= 95 * len(positive)
    ]
    return min(rates)


def by_curve(positive: list[float], negative: list[float]) -> float:
    truth = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    fpr, tpr, _ = roc_curve(truth, np.r_[positive, negative], drop_intermediate=False)
    return float(fpr[tpr >= 0.95].min())


def test_msp_is_the_largest_softmax_probability():
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(4.0), math.log(4.0)], [100.0, 0.0]])
    assert msp(logits).tolist() == pytest.approx([0.75, 0.5, 1.0])
    assert msp(torch.tensor([[1.0, -torch.inf, 1.0]])).tolist() == [0.5]  # one class does not compete


def test_mcm_is_a_softmax_over_the_cosines_at_its_temperature():
    cosines = torch.tensor([[0.3, 0.1, 0.1]])
    by_hand = 1 / (1 + 2 * math.exp(-0.2))
    assert mcm(cosines).item() == pytest.approx(by_hand)
    assert mcm(cosines, temperature=0.1).item() == pytest.approx(1 / (1 + 2 * math.exp(-2)))


def test_half_precision_is_scored_in_double():
    logits = torch.tensor([[12.0, 3.0, 1.0]], dtype=torch.bfloat16)
    assert msp(logits).dtype == mcm(logits).dtype == torch.float64
    assert msp(logits).item() == pytest.approx(1 / (1 + math.exp(-9) + math.exp(-11)), abs=1e-6)


@often
@given(SCORES, SCORES)
def test_auroc_is_the_share_of_pairs_in_order_ties_counting_half(inside, outside):
    found = auroc(torch.tensor(inside), torch.tensor(outside))
    assert found == pytest.approx(by_pairs(inside, outside))
    truth = [1] * len(inside) + [0] * len(outside)
    assert found == pytest.approx(roc_auc_score(truth, inside + outside))


@often
@given(SCORES, SCORES)
def test_both_conventions_equal_brute_force_and_the_curve(inside, outside):
    a, b = torch.tensor(inside), torch.tensor(outside)
    assert fpr_at_95_tpr(a, b) == pytest.approx(by_thresholds(inside, outside))
    assert fpr_at_95_tpr(a, b) == pytest.approx(by_curve(inside, outside))
    negated = [-x for x in outside], [-x for x in inside]
    assert fpr_outlier_positive(a, b) == pytest.approx(by_thresholds(*negated))
    assert fpr_outlier_positive(a, b) == pytest.approx(by_curve(*negated))


@often
@given(SCORES, SCORES)
def test_the_conventions_are_each_other_with_roles_and_signs_exchanged(inside, outside):
    a, b = torch.tensor(inside), torch.tensor(outside)
    assert fpr_outlier_positive(a, b) == fpr_at_95_tpr(-b, -a)
    assert fpr_at_95_tpr(a, b) == fpr_outlier_positive(-b, -a)
    assert auroc(a, b) == pytest.approx(auroc(-b, -a))


@often
@given(SCORES, SCORES)
def test_all_measures_are_shares_and_see_the_order_alone(inside, outside):
    a, b = torch.tensor(inside).double(), torch.tensor(outside).double()
    for measure in MEASURES:
        found = measure(a, b)
        assert 0 <= found <= 1
        for increasing in (lambda x: 1e-3 * x + 7, torch.exp, lambda x: x**3, lambda x: 50 * x):
            assert measure(increasing(a), increasing(b)) == found


def test_perfect_and_inverted_separation():
    high, low = torch.arange(30.0) + 100, torch.arange(50.0)
    assert (auroc(high, low), auroc(low, high)) == (1, 0)
    for measure in (fpr_at_95_tpr, fpr_outlier_positive):
        assert (measure(high, low), measure(low, high)) == (0, 1)


def test_the_conventions_differ_and_are_not_mixed_up():
    # 2 of 20 images of test score below every outlier: keeping 95 % of test admits all outliers, while
    # catching 95 % of the outliers loses those 2 alone.
    inside = torch.tensor([0.0, 0.1] + [2.0] * 18)
    outside = torch.full((40,), 1.0)
    assert fpr_at_95_tpr(inside, outside) == 1
    assert fpr_outlier_positive(inside, outside) == pytest.approx(0.1)


def test_exactly_one_of_twenty_may_be_lost():
    inside = torch.tensor([0.0] + [2.0] * 19)
    outside = torch.full((7,), 1.0)
    assert fpr_at_95_tpr(inside, outside) == 0
    assert fpr_at_95_tpr(inside[:-1], outside) == 1  # 18 of 19 is less than 95 %
