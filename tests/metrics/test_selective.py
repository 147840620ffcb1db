"""Risk and coverage by hand and by brute force over every order of equal confidences."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anchorline.metrics.selective import aurc, risk_coverage

IMAGES = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6)


def arrays(images):
    return torch.tensor([float(c) for c, _ in images]), torch.tensor([r for _, r in images])


def test_the_curve_by_hand():
    confidence, right = torch.tensor([0.2, 0.9, 0.5, 0.7]), torch.tensor([False, True, True, False])
    curve = risk_coverage(confidence, right)
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert curve.risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert aurc(confidence, right) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


@settings(max_examples=60, deadline=None)
@given(IMAGES)
def test_equal_confidences_share_their_errors_as_all_orders_do_on_average(images):
    curves = []
    for order in permutations(images):
        if [c for c, _ in order] == sorted((c for c, _ in images), reverse=True):
            wrong = np.array([not r for _, r in order])
            curves.append(wrong.cumsum() / np.arange(1, len(wrong) + 1))
    confidence, right = arrays(images)
    assert risk_coverage(confidence, right).risk == pytest.approx(np.mean(curves, axis=0))
    assert aurc(confidence, right) == pytest.approx(np.mean(curves))


@settings(max_examples=60, deadline=None)
@given(IMAGES)
def test_laws_of_the_curve(images):
    confidence, right = arrays(images)
    curve = risk_coverage(confidence, right)
    assert curve.risk[-1] == pytest.approx(1 - right.double().mean().item())
    assert aurc(torch.exp(confidence), right) == pytest.approx(aurc(confidence, right))
    # Knowing which answers are right is best; the reverse of that is worst; saying nothing is the error rate.
    known = right.double()
    assert aurc(known, right) <= aurc(confidence, right) + 1e-12
    assert aurc(confidence, right) <= aurc(-known, right) + 1e-12
    assert aurc(torch.zeros(len(right)), right) == pytest.approx(1 - known.mean().item())
