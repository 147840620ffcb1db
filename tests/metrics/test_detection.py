"""Detection measures against scikit-learn, pytorch-ood, torchmetrics and brute force; the bootstrap."""

import math
from dataclasses import astuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_ood.metrics import OODMetrics
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score, roc_curve
from torchmetrics.functional.classification import binary_auroc

from anchorline.metrics.bootstrap import Resamples, Streams, interval
from anchorline.metrics.detection import (
    NAMES,
    auroc,
    detect,
    ninety_five_percent,
    resampled,
    with_intervals,
)

# Few distinct values, so that ties within and between the sets are common; lengths around 20, where
# 95 % is a whole number of images.
SCORES = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=45)
often = settings(max_examples=60, deadline=None)


def by_sklearn(inside, outside) -> list[float]:
    truth, scores = np.r_[np.ones(len(inside)), np.zeros(len(outside))], np.r_[inside, outside]
    curves = {}
    for name, positive, values in (("in", truth, scores), ("out", 1 - truth, -scores)):
        fpr, tpr, _ = roc_curve(positive, values, drop_intermediate=False)
        precision, recall, _ = precision_recall_curve(positive, values)
        curves[name] = auc(recall, precision), fpr[tpr >= 0.95].min(), ((1 - tpr + fpr) / 2).min()
    return [
        roc_auc_score(truth, scores),
        curves["in"][0],
        curves["out"][0],
        curves["in"][1],
        curves["out"][1],
        curves["in"][2],
    ]


def by_pytorch_ood(inside, outside) -> dict[str, float]:
    metrics = OODMetrics()
    labels = torch.cat([torch.zeros(len(inside)), -torch.ones(len(outside))]).long()
    metrics.update(-torch.tensor(np.r_[inside, outside]), labels)  # higher there: more of an outlier
    return metrics.compute()


@often
@given(SCORES, SCORES)
def test_all_measures_equal_scikit_learn(inside, outside):
    found = detect(np.array(inside), np.array(outside))
    assert astuple(found) == pytest.approx(by_sklearn(inside, outside))


@pytest.mark.filterwarnings("ignore:AUTC")
@often
@given(SCORES, SCORES)
def test_all_measures_equal_pytorch_ood_in_both_conventions(inside, outside):
    found, theirs = detect(np.array(inside), np.array(outside)), by_pytorch_ood(inside, outside)
    # Roles exchanged and signs turned, theirs is in-distribution positive.
    turned = by_pytorch_ood([-x for x in outside], [-x for x in inside])
    assert found.auroc == pytest.approx(theirs["AUROC"])
    assert found.aupr_in == pytest.approx(theirs["AUPR-IN"])
    assert found.aupr_out == pytest.approx(theirs["AUPR-OUT"])
    assert found.fpr95_outlier_positive == pytest.approx(theirs["FPR95TPR"])
    assert found.fpr95 == pytest.approx(turned["FPR95TPR"])


def test_the_goldens_on_many_scores_of_every_kind():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(1, 1, 3000), rng.normal(0, 2, 700)
    for a, b in ((inside, outside), (inside.round(1), outside.round(1)), (np.exp(inside), np.exp(outside))):
        found = detect(a, b)
        assert astuple(found) == pytest.approx(by_sklearn(a, b), abs=1e-12)
        assert found.aupr_in == pytest.approx(by_pytorch_ood(a, b)["AUPR-IN"])
        truth = torch.cat([torch.ones(3000), torch.zeros(700)]).long()
        squeezed = torch.tensor(np.unique(np.r_[a, b], return_inverse=True)[1] / 3700)  # into [0, 1]
        assert found.auroc == pytest.approx(binary_auroc(squeezed, truth).item(), abs=1e-6)


@often
@given(SCORES, SCORES)
def test_negating_and_exchanging_the_sets_exchanges_the_conventions(inside, outside):
    a, b = np.array(inside), np.array(outside)
    ours, turned = detect(a, b), detect(-b, -a)
    assert turned.auroc == pytest.approx(ours.auroc)
    assert (turned.aupr_in, turned.aupr_out) == pytest.approx((ours.aupr_out, ours.aupr_in))
    assert (turned.fpr95, turned.fpr95_outlier_positive) == (ours.fpr95_outlier_positive, ours.fpr95)
    assert turned.detection_error == pytest.approx(ours.detection_error)


@often
@given(SCORES, SCORES)
def test_all_measures_are_shares_and_see_the_order_alone(inside, outside):
    a, b = np.array(inside), np.array(outside)
    found = detect(a, b)
    assert all(-1e-12 <= value <= 1 + 1e-12 for value in astuple(found))
    for increasing in (lambda x: 1e-3 * x + 7, np.exp, lambda x: x**3, lambda x: 50 * x):
        assert detect(increasing(a), increasing(b)) == found
    rng = np.random.default_rng(0)
    assert detect(rng.permutation(a), rng.permutation(b)) == found


@often
@given(SCORES, SCORES)
def test_detection_error_is_the_least_over_thresholds_and_never_above_that_of_odins_paper(inside, outside):
    a, b = np.array(inside), np.array(outside)
    errors = [((a < t).mean() + (b >= t).mean()) / 2 for t in (*inside, *outside, math.inf)]
    found = detect(a, b)
    assert found.detection_error == pytest.approx(min(errors))
    missed = 1 - (a >= np.sort(a)[::-1][ninety_five_percent(len(a)) - 1]).mean()
    assert found.detection_error <= (missed + found.fpr95) / 2 + 1e-12


def test_perfect_and_inverted_separation():
    high, low = torch.arange(30.0) + 100, torch.arange(50.0)
    assert astuple(detect(high, low)) == (1, 1, 1, 0, 0, 0)
    worst = detect(low, high)
    assert (worst.auroc, worst.fpr95, worst.fpr95_outlier_positive, worst.detection_error) == (0, 1, 1, 0.5)


def test_the_conventions_differ_and_are_not_mixed_up():
    # 2 of 20 images of test score below every outlier: keeping 95 % of test admits all outliers, while
    # catching 95 % of the outliers loses those 2 alone.
    inside = torch.tensor([0.0, 0.1] + [2.0] * 18)
    outside = torch.full((40,), 1.0)
    assert detect(inside, outside).fpr95 == 1
    assert detect(inside, outside).fpr95_outlier_positive == pytest.approx(0.1)
    assert auroc(inside, outside) == pytest.approx(0.9)
    assert detect(inside, outside).detection_error == pytest.approx(0.05)


def test_exactly_one_of_twenty_may_be_lost():
    inside = torch.tensor([0.0] + [2.0] * 19)
    outside = torch.full((7,), 1.0)
    assert detect(inside, outside).fpr95 == 0
    assert detect(inside[:-1], outside).fpr95 == 1  # 18 of 19 is less than 95 %
    assert [ninety_five_percent(n) for n in (1, 19, 20, 21, 40, 100)] == [1, 19, 19, 20, 38, 95]


def test_every_kind_of_array_is_scored_alike():
    inside, outside = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([0.0, 1.0])
    found = detect(inside, outside)
    assert detect(inside.bfloat16(), outside.half()) == found
    assert detect(inside.numpy(), outside.requires_grad_()) == found


@pytest.mark.parametrize(
    ("inside", "outside", "says"),
    [([], [1.0], "both need some"), ([1.0], [], "both need some"), ([1.0, math.nan], [0.0], "NaN")],
)
def test_what_has_no_order_is_refused(inside, outside, says):
    with pytest.raises(ValueError, match=says):
        detect(np.array(inside), np.array(outside))


def test_infinite_scores_have_their_place():
    inside, outside = np.array([math.inf, 1.0]), np.array([-math.inf, 0.0])
    assert astuple(detect(inside, outside)) == (1, 1, 1, 0, 0, 0)


@pytest.mark.parametrize("digits", [0, 12])  # with many ties, and with none
def test_a_resample_is_measured_as_its_images_are(digits):
    rng = np.random.default_rng(3)
    inside, outside = rng.normal(1, 1, 60).round(digits), rng.normal(0, 1, 40).round(digits)
    resamples = Resamples(25)
    values = resampled(inside, outside, resamples)
    drawn = zip(resamples.counts("inside", 60), resamples.counts("outside", 40), strict=True)
    for at, (a, b) in enumerate(drawn):
        assert (a.sum(), b.sum()) == (60, 40)
        truth = by_sklearn(np.repeat(inside, a), np.repeat(outside, b))
        assert [values[name][at] for name in NAMES] == pytest.approx(truth)


def test_blocks_of_resamples_do_not_change_them(monkeypatch):
    rng = np.random.default_rng(4)
    inside, outside = rng.normal(1, 1, 90), rng.normal(0, 1, 70)
    resamples = Resamples(50)
    whole = resampled(inside, outside, resamples)
    monkeypatch.setattr("anchorline.metrics.detection._CELLS", 500)
    pieces = resampled(inside, outside, resamples)
    for name in NAMES:
        assert np.array_equal(whole[name], pieces[name])


def test_intervals_hold_the_value_and_shrink_with_images():
    rng = np.random.default_rng(5)
    widths = []
    for n in (100, 1600):
        inside, outside = rng.normal(1, 1, n), rng.normal(0, 1, n)
        found = with_intervals(inside, outside)
        assert list(found) == list(NAMES)
        assert [one.value for one in found.values()] == list(astuple(detect(inside, outside)))
        assert all(one.low <= one.value <= one.high for one in found.values())
        widths.append({name: one.high - one.low for name, one in found.items()})
    assert all(widths[0][name] > 2 * widths[1][name] for name in ("auroc", "aupr_in", "aupr_out"))


def test_the_interval_of_auroc_is_as_wide_as_theory_says():
    # The standard error from the placements of either side (DeLong et al. 1988).
    rng = np.random.default_rng(6)
    inside, outside = rng.normal(1, 1, 400), rng.normal(0, 1, 300)
    wins = (inside[:, None] > outside).astype(float)
    error = math.sqrt(wins.mean(1).var(ddof=1) / 400 + wins.mean(0).var(ddof=1) / 300)
    found = with_intervals(inside, outside, Resamples(2000))["auroc"]
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.07)


def test_coverage_of_the_interval():
    truth = 0.5 * (1 + math.erf(0.5))  # of N(1, 1) against N(0, 1): Phi(1 / sqrt 2)
    rng = np.random.default_rng(7)
    resamples = Resamples(300)
    held = 0
    for _ in range(150):
        found = with_intervals(rng.normal(1, 1, 80), rng.normal(0, 1, 60), resamples)["auroc"]
        held += found.low <= truth <= found.high
    assert 0.90 <= held / 150 <= 0.985


def test_shared_resamples_pair_the_detectors():
    rng = np.random.default_rng(8)
    inside, outside = rng.normal(1, 1, 300), rng.normal(0, 1, 300)
    noise = rng.normal(0, 0.1, 600)
    resamples = Resamples()
    ours = resampled(inside, outside, resamples)["auroc"]
    alike = resampled(inside + noise[:300], outside + noise[300:], resamples)["auroc"]
    apart = resampled(inside + noise[:300], outside + noise[300:], Resamples(seed=1))["auroc"]
    assert (ours - alike).std() < 0.3 * (ours - apart).std()
    same = resampled(inside, outside, resamples)["auroc"]
    assert np.array_equal(ours, same)


def test_draws_depend_on_seed_name_and_size_alone():
    one, other = Resamples(30), Resamples(30)
    other.counts("far", 50)  # asking for another set first changes nothing
    assert np.array_equal(one.counts("near", 50), other.counts("near", 50))
    assert one.counts("near", 50) is one.counts("near", 50)
    assert not np.array_equal(one.counts("near", 50), one.counts("far", 50))
    assert not np.array_equal(one.counts("near", 50), Resamples(30, seed=1).counts("near", 50))


def test_counts_are_multinomial():
    counts = Streams(0).draw(4000, "x", 20).astype(float)
    assert (counts.sum(1) == 20).all()
    assert counts.mean(0) == pytest.approx(np.ones(20), abs=0.07)
    assert counts.var(0).mean() == pytest.approx(19 / 20, rel=0.03)
    assert np.corrcoef(counts[:, 0], counts[:, 1])[0, 1] == pytest.approx(-1 / 19, abs=0.05)


def test_interval_is_of_percentiles():
    assert interval(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))
