"""Entropy and GEN far below the 1e-7 at which pytorch-ood clamps probabilities: values worked out by hand."""

import math

import pytest
import torch
from pytorch_ood import detector as ood
from torch import Tensor

from anchorline.detectors import Arrays
from anchorline.detectors.on_logits import entropy, gen
from anchorline.metrics.probabilities import log_probabilities
from tests.helpers.detected import EASY


def with_logits(logits: Tensor) -> Arrays:
    return Arrays(logits, logits, logits)


def with_odds(*rest: list[float]) -> Arrays:
    """Images by the probabilities of all classes but the first, which has what is left."""
    return with_logits(torch.tensor([[0.0, *map(math.log, p)] for p in rest], dtype=torch.float64))


ENTROPY, GEN = entropy(EASY), gen(EASY, gamma=0.1, M=100)


def test_two_classes_by_hand() -> None:
    """p = .8 and .2."""
    image = with_logits(torch.tensor([[math.log(4), 0.0]]))
    assert ENTROPY(image).item() == pytest.approx(0.8 * math.log(0.8) + 0.2 * math.log(0.2), rel=1e-6)
    assert GEN(image).item() == pytest.approx(-2 * 0.16**0.1, rel=1e-6)


@pytest.mark.parametrize("small", [1e-9, 1e-20, 1e-200])
def test_probabilities_far_below_the_clamp_by_hand(small: float) -> None:
    """Two classes, the odds 1 : small. To the first order the entropy is small (1 - ln small), and both terms
    of GEN are small ** γ: the other's p, and what the first one's p lacks to 1."""
    image = with_odds([small])
    assert ENTROPY(image).item() == pytest.approx(-small * (1 - math.log(small)), rel=1e-8, abs=0)
    assert GEN(image).item() == pytest.approx(-2 * small**0.1, rel=1e-8)


def test_gen_adds_the_largest_alone() -> None:
    """p = .8, .1, .1 and γ = 1: p (1 - p) is .16, .09, .09."""
    image = with_logits(torch.tensor([[0.0, math.log(8), 0.0]]))
    for most, expected in ((1, 0.16), (2, 0.25), (3, 0.34), (10, 0.34)):
        assert gen(EASY, gamma=1, M=most)(image).item() == pytest.approx(-expected, rel=1e-6)


def test_neither_rounds_to_an_end() -> None:
    """The second p is e^-60, about 9e-27, and the third e^-800."""
    log_p, log_rest = log_probabilities(torch.tensor([[60.0, -740.0, 0.0]]))
    assert log_p[0].tolist() == pytest.approx([-math.exp(-60), -60, -800], rel=1e-12)
    assert log_rest[0].tolist() == pytest.approx([-60, -math.exp(-60), 0], rel=1e-12)


def test_one_class_is_certain() -> None:
    image = with_logits(torch.tensor([[3.0]]))
    assert (ENTROPY(image).item(), GEN(image).item()) == (0, 0)


# Six classes. The first image has one rival, the second five that are smaller and together more.
ONE_RIVAL, FIVE_RIVALS = [3e-7] + 4 * [1e-30], 5 * [5e-8]


def test_gen_ranks_what_the_clamp_turns_round() -> None:
    """By hand, γ = .1: one rival has 2 (3e-7) ** .1 + 4 (1e-30) ** .1 = .449, five have 5 (5e-8) ** .1 +
    (2.5e-7) ** .1 = 1.150: less like a known class. Clamped at 1e-7 they have 1.243 and 1.216."""
    images = with_odds(ONE_RIVAL, FIVE_RIVALS)
    one, five = GEN(images).tolist()
    assert (one, five) == (pytest.approx(-0.449, abs=1e-3), pytest.approx(-1.150, abs=1e-3))
    clamped = 6 * ood.GEN(None, gamma=0.1).predict_logits(images.logits)
    assert clamped.tolist() == pytest.approx([1.243, 1.216], abs=1e-3)


def test_entropy_ranks_what_the_clamp_turns_round() -> None:
    """By hand, p (1 - ln p) summed: a rival of 5e-7 has 7.754e-6, five of 9.5e-8 have 8.156e-6. The clamp
    adds 4e-7 ln 1e7 = 6.447e-6 to the first, and nearly nothing to the second."""
    images = with_odds([5e-7] + 4 * [1e-30], 5 * [9.5e-8])
    one, five = ENTROPY(images).tolist()
    assert (one, five) == (pytest.approx(-7.754e-6, rel=1e-3), pytest.approx(-8.156e-6, rel=1e-3))
    clamped = ood.Entropy(None).predict_logits(images.logits)
    assert clamped[0] > 1.5 * clamped[1]
