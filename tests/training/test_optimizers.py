"""Optimizers beside torch's: several as one, decay of changes, steps of a given length."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW

from anchorline.training.optimizers import AdamWOfChanges, NormalisedSGD, Together


def parameters(count: int = 2) -> list[nn.Parameter]:
    rng = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(3, 4, generator=rng)) for _ in range(count)]


def gradients(step: int, count: int = 2) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(100 + step)
    return [torch.randn(3, 4, generator=rng) for _ in range(count)]


def together(own: list[nn.Parameter]) -> Together:
    return Together([Adam([own[0]], lr=0.1, weight_decay=0.1), SGD([own[1]], lr=0.2, momentum=0.9)])


def advance(optimizer, own, steps) -> None:
    for step in steps:
        for parameter, gradient in zip(own, gradients(step), strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()


def test_together_is_each_alone():
    ours, alone = parameters(), parameters()
    advance(together(ours), ours, range(5))
    for optimizer, index in ((Adam([alone[0]], lr=0.1, weight_decay=0.1), 0),
                             (SGD([alone[1]], lr=0.2, momentum=0.9), 1)):  # fmt: skip
        for step in range(5):
            alone[index].grad = gradients(step)[index]
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, alone, strict=True))


def test_together_takes_schedules_and_goes_on_from_a_state_dict():
    whole, first = parameters(), parameters()
    optimizer = together(whole)
    for group in optimizer.param_groups:
        group["lr"] *= 0.5
    advance(optimizer, whole, range(6))
    begun = together(first)
    for group in begun.param_groups:
        group["lr"] *= 0.5
    advance(begun, first, range(3))
    second = [nn.Parameter(p.detach().clone()) for p in first]
    again = together(second)
    again.load_state_dict(begun.state_dict())
    assert [group["lr"] for group in again.param_groups] == [0.05, 0.1]
    advance(again, second, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole, second, strict=True))


def test_changes_decay_with_what_they_are_added_to():
    """The sum moves as AdamW would move it."""
    (whole,), origin = parameters(1), torch.randn(3, 4, generator=torch.Generator().manual_seed(9))
    change = nn.Parameter((whole.detach() - origin).clone())
    ours = AdamWOfChanges([{"params": [change], "origins": [origin]}], lr=0.1, weight_decay=0.3)
    theirs = AdamW([whole], lr=0.1, weight_decay=0.3)
    for step in range(10):
        change.grad, whole.grad = gradients(step)[0].clone(), gradients(step)[0].clone()
        ours.step()
        theirs.step()
        torch.testing.assert_close(origin + change.detach(), whole.detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_a_normalised_step_has_a_given_length(factor):
    (own,) = parameters(1)
    before = own.detach().clone()
    own.grad = factor * gradients(0)[0]
    own.grad[0] = 0  # beneath the image, say
    NormalisedSGD([own], lr=0.25).step()
    moved = before - own.detach()
    assert moved[0].abs().max() == 0
    torch.testing.assert_close(moved[1:].square().mean().sqrt(), torch.tensor(0.25))
    own.grad = torch.zeros(3, 4)
    before = own.detach().clone()
    NormalisedSGD([own], lr=0.25).step()
    assert torch.equal(own.detach(), before)
