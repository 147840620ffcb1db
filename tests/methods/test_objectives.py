"""Losses against plain formulas written out pair by pair."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from anchorline.methods.objectives import Contrastive, CrossEntropy


def case(seed: int, images: int = 7, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return 5 * torch.randn(images, classes, generator=rng).double(), torch.randint(
        classes, (images,), generator=rng
    )


def by_hand(logits: torch.Tensor, labels: torch.Tensor, loss: Contrastive) -> float:
    """½ [F(S) + F(Sᵀ)] with loops."""
    n = len(labels)
    total = 0.0
    for turn in (False, True):
        for i in range(n):
            row = [float(logits[j, labels[i]] if turn else logits[i, labels[j]]) for j in range(n)]
            partners = [j for j in range(n) if labels[j] == labels[i]]
            if loss.duplicates == "negatives":
                partners = [i]
            p = sum(math.exp(row[j]) for j in partners) / sum(map(math.exp, row))
            weight = loss.alpha * (1 - p) ** loss.gamma if loss.focal else 1.0
            total -= weight * math.log(p)
    return total / n / 2


@pytest.mark.parametrize("focal", [False, True])
@pytest.mark.parametrize("duplicates", ["positives", "negatives"])
@pytest.mark.parametrize("seed", range(3))
def test_contrastive_by_hand(focal, duplicates, seed):
    loss = Contrastive(focal=focal, duplicates=duplicates)
    logits, labels = case(seed)
    assert len(set(labels.tolist())) < len(labels)  # there are duplicates
    assert float(loss(logits, labels)) == pytest.approx(by_hand(logits, labels, loss), rel=1e-9)


def test_without_duplicates_both_choices_agree_and_equal_clip_s_own_loss():
    logits, _ = case(0, 5, 5)
    labels = torch.randperm(5, generator=torch.Generator().manual_seed(1))
    pairs = logits[:, labels]
    clip = (F.cross_entropy(pairs, torch.arange(5)) + F.cross_entropy(pairs.T, torch.arange(5))) / 2
    for duplicates in ("positives", "negatives"):
        torch.testing.assert_close(Contrastive(duplicates=duplicates)(logits, labels), clip)


def test_focal_with_no_gamma_is_alpha_times_the_plain_loss():
    logits, labels = case(3)
    plain = Contrastive()(logits, labels)
    torch.testing.assert_close(Contrastive(focal=True, gamma=0.0, alpha=0.5)(logits, labels), plain / 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_order_and_shift_do_not_matter(seed):
    """The loss of a batch is that of the batch in another order, and of logits with a constant added."""
    logits, labels = case(seed)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    for loss in (CrossEntropy(), Contrastive(), Contrastive(focal=True)):
        found = loss(logits, labels)
        torch.testing.assert_close(loss(logits[order], labels[order]), found)
        torch.testing.assert_close(loss(logits + 3.0, labels), found)
        assert found >= 0


@pytest.mark.parametrize("loss", [CrossEntropy(), Contrastive(), Contrastive(focal=True, gamma=0.5)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_gradients_are_finite_however_sure_the_answers(loss, scale):
    logits, labels = case(0)
    given_logits = (scale * logits).float().requires_grad_()
    loss(given_logits, labels).backward()
    assert given_logits.grad.isfinite().all()
    one_class = torch.zeros_like(labels)
    given_logits.grad = None
    loss(given_logits, one_class).backward()
    assert given_logits.grad.isfinite().all()
