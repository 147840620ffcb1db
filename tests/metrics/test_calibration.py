"""Calibration against constructions worked out by hand, scikit-learn, pytorch-ood and torchmetrics."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_ood.metrics.functional import calibration_error
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import binary_calibration_error

from anchorline.metrics.calibration import (
    TEMPERATURES,
    brier,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)


def drawn(n: int, classes: int, scale: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels that are drawn from softmax(logits / scale): scale is the true temperature."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, classes, generator=generator) * 3
    labels = torch.multinomial((logits / scale).softmax(1), 1, generator=generator).flatten()
    return logits, labels


def test_calibration_error_by_hand():
    confidence = torch.tensor([0.5, 0.6, 0.9, 1.0])
    right = torch.tensor([True, False, True, True])
    found = reliability(confidence, right, bins=2)
    assert found.confidence.tolist() == pytest.approx([0.55, 0.95])
    assert found.accuracy.tolist() == [0.5, 1]
    assert found.count.tolist() == [2, 2]
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx(0.05)
    assert expected_calibration_error(confidence, right, bins=1) == pytest.approx(0)


def test_a_calibrated_construction_has_no_error():
    # At each of four confidences, exactly that share is right; the bins cut between them, or nowhere.
    groups = [(0.25, 40), (0.5, 40), (0.75, 40), (1.0, 40)]
    confidence = torch.cat([torch.full((n,), c) for c, n in groups])
    right = torch.cat([torch.arange(n) < c * n for c, n in groups])
    mixed = torch.randperm(160, generator=torch.Generator().manual_seed(0))
    for bins in (1, 2, 3, 4, 7, 15, 400):
        assert expected_calibration_error(confidence[mixed], right[mixed], bins) == pytest.approx(
            0, abs=1e-12
        )
    assert expected_calibration_error(confidence, ~right, 4) == pytest.approx((0.5 + 0 + 0.5 + 1) / 4)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.booleans()), min_size=1, max_size=40),
    st.integers(1, 20),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_images_does_not_matter(images, bins, random):
    def error(those):
        return expected_calibration_error(
            torch.tensor([c for c, _ in those]), torch.tensor([r for _, r in those]), bins
        )

    mixed = random.sample(images, len(images))
    found = reliability(torch.tensor([c for c, _ in images]), torch.tensor([r for _, r in images]), bins)
    assert found.count.sum() == len(images)
    assert len(found.count) <= bins
    assert (found.count > 0).all()
    assert error(images) == pytest.approx(error(mixed))
    assert 0 <= error(images) <= 1


def test_bins_hold_equally_many_images():
    confidence = torch.rand(1003, generator=torch.Generator().manual_seed(1))
    count = reliability(confidence, confidence > 0.5, bins=15).count
    assert len(count) == 15
    assert count.max() - count.min() <= 1


def test_adaptive_error_equals_pytorch_ood():
    generator = torch.Generator().manual_seed(2)
    confidence = torch.rand(600, generator=generator).double()
    right = torch.rand(600, generator=generator) < confidence**2
    found = expected_calibration_error(confidence, right, bins=6)
    assert found == pytest.approx(calibration_error(confidence, right.long(), p="1", beta=100), abs=1e-6)
    assert found > 0.1


def test_on_evenly_spread_confidences_it_is_torchmetrics_of_equal_width():
    confidence = (torch.arange(600).double() + 0.5) / 600
    right = torch.rand(600, generator=torch.Generator().manual_seed(3)) < confidence**2
    theirs = binary_calibration_error(confidence, right.long(), n_bins=10, norm="l1")
    assert expected_calibration_error(confidence, right, bins=10) == pytest.approx(theirs.item(), abs=1e-6)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("n", [7, 5000])  # the second is more than one block
def test_likelihood_and_brier_equal_scikit_learn(temperature, n):
    logits, labels = drawn(n, 5, 1.0, seed=4)
    p = (logits.double() / temperature).softmax(1).numpy()
    nll = negative_log_likelihood(logits, labels, temperature)
    assert nll == pytest.approx(log_loss(labels, p, labels=range(5)))
    found = brier(logits, labels, temperature)
    assert found == pytest.approx(brier_score_loss(labels.numpy(), p, labels=list(range(5))))
    assert 0 <= found <= 2


def test_likelihood_and_brier_by_hand():
    logits, labels = torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([0])
    assert negative_log_likelihood(logits, labels) == pytest.approx(-math.log(0.75))
    assert brier(logits, labels) == pytest.approx(2 * 0.25**2)
    sure_and_wrong = torch.tensor([[500.0, 0.0]]), torch.tensor([1])
    assert negative_log_likelihood(*sure_and_wrong) == pytest.approx(500)
    assert brier(*sure_and_wrong) == pytest.approx(2)


def test_classes_that_do_not_compete_change_nothing():
    logits, labels = drawn(300, 4, 2.0, seed=5)
    wider = torch.cat([logits, torch.full((300, 3), -torch.inf)], 1)
    assert negative_log_likelihood(wider, labels) == pytest.approx(negative_log_likelihood(logits, labels))
    assert brier(wider, labels) == pytest.approx(brier(logits, labels))
    assert fit_temperature(wider, labels) == pytest.approx(fit_temperature(logits, labels))


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(truth):
    assert fit_temperature(*drawn(5000, 6, truth, seed=6)) == pytest.approx(truth, rel=0.08)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(-2, 3), st.integers(1, 40), st.integers(2, 6))
def test_scaling_never_raises_the_loss_and_no_temperature_is_better(seed, log_scale, n, classes):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, classes, generator=generator) * math.exp(log_scale)
    labels = torch.randint(classes, (n,), generator=generator)
    found = fit_temperature(logits, labels)
    assert TEMPERATURES[0] <= found <= TEMPERATURES[1]
    best = negative_log_likelihood(logits, labels, found)
    for other in (1.0, *np.geomspace(*TEMPERATURES, 25)):
        assert best <= negative_log_likelihood(logits, labels, other) + 1e-9


def test_scaling_logits_scales_the_temperature():
    logits, labels = drawn(800, 5, 1.0, seed=7)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3 * fit_temperature(logits, labels), rel=1e-6)


def test_a_val_without_errors_ends_on_the_lower_bound():
    logits = torch.eye(4) * 5
    assert fit_temperature(logits, torch.arange(4)) == TEMPERATURES[0]
    assert fit_temperature(logits * 1000, torch.arange(4)) == TEMPERATURES[0]


def test_logits_worse_than_a_guess_end_on_the_upper_bound():
    assert fit_temperature(torch.eye(4) * 5, torch.tensor([1, 2, 3, 0])) == TEMPERATURES[1]
    assert fit_temperature(torch.eye(4) * 5000, torch.tensor([1, 2, 3, 0])) == TEMPERATURES[1]


def test_accuracy_is_not_changed_but_calibration_is():
    logits, labels = drawn(4000, 5, 3.0, seed=8)  # too sure by a factor of 3

    def error(temperature):
        p, outputs = (logits / temperature).softmax(1).max(1)
        return expected_calibration_error(p, outputs == labels)

    assert error(fit_temperature(logits, labels)) < 0.03 < 0.15 < error(1)
