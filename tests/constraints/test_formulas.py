"""The formula of each constraint, written out plainly."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from anchorline.constraints import MARSSP
from tests.helpers.constrained import (
    INNER,
    assert_near,
    assert_same_bits,
    give_gradients,
    noise,
    parameters,
    train,
    values,
)
from tests.helpers.held import (
    around,
    assert_all_differ,
    path,
    rows,
    unheld,
)


@around
@pytest.mark.parametrize(
    ("kind", "more"),
    [("spd", {}), ("l2-sp", {}), ("l2-sp", {"decoupled": True}), ("mars-sp", {})],
    ids=["spd", "l2-sp", "l2-sp decoupled", "mars-sp"],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_no_strength_is_the_inner_optimizer_bit_for_bit(kind, more, inner, dtype):
    held = path(kind, parameters(dtype=dtype), inner=inner, strength=0.0, **more)
    assert_same_bits(held, unheld(inner, dtype=dtype))


PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {
    "l2-sp": lambda c: 0.5 / 2 * c.square().sum(),
    "mars-sp": lambda c: 0.5 * rows(c).abs().sum(1).max(),
}


@around
@pytest.mark.parametrize("kind", PENALTIES)
def test_a_penalty_is_its_gradient(kind, inner, pieces):
    start, free = parameters(), parameters()
    optimizer = INNER[inner](free.values())
    for step in range(5):
        give_gradients(free, step)
        for name, parameter in free.items():
            PENALTIES[kind](parameter - start[name].detach()).backward()
        optimizer.step()
    assert_near(path(kind, parameters(), range(5), inner=inner), free, 1e-12)


@pytest.mark.parametrize("strengths", [(0.1,), (0.1, 0.7)], ids=["one strength", "two strengths"])
def test_mars_sp_adds_the_strength_in_double_precision(strengths):
    """By hand. The second row is the farther one; .1 in float32 would be .100000001490116."""
    weights = [nn.Parameter(torch.zeros(2, 2, dtype=torch.float64)) for _ in strengths]
    groups = [{"params": [w], "strength": s} for w, s in zip(weights, strengths, strict=True)]
    optimizer = MARSSP(SGD(groups, lr=0.0), [(str(i), w) for i, w in enumerate(weights)])
    for w in weights:
        w.data = torch.tensor([[1.0, -1.0], [-3.0, 2.0]], dtype=torch.float64)
        w.grad = torch.zeros_like(w)
    optimizer.step()
    for w, s in zip(weights, strengths, strict=True):
        assert w.grad.tolist() == [[0, 0], [-s, s]]


@around
def test_decoupled_l2_sp_decays_to_the_anchor(inner, pieces):
    start, free = values(parameters()), parameters()
    optimizer = INNER[inner](free.values())
    for step in range(5):
        for name, parameter in free.items():
            parameter.data -= optimizer.param_groups[0]["lr"] * 0.5 * (parameter.data - start[name])
        train(optimizer, free, [step])
    assert_near(path("l2-sp", parameters(), range(5), inner=inner, decoupled=True), free, 1e-12)


def spd_by_hand(name: str, start: Tensor, inner: str, strength: float, steps: int) -> Tensor:
    theta = nn.Parameter(start.clone())
    optimizer = INNER[inner]([theta])
    for step in range(steps):
        before, g = theta.detach() - start, noise(name, step, theta)
        theta.grad = g.clone()
        optimizer.step()
        after = theta.detach() - start
        if -(g * before).sum() < 0:
            r = ((after.norm() - before.norm()) / after.norm()).clamp(0, 1)
            theta.data -= strength * r * after
    return theta.detach()


@around
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_spd_by_hand(strength, inner, pieces):
    expected = {n: spd_by_hand(n, p, inner, strength, 8) for n, p in values(parameters()).items()}
    assert_near(path("spd", parameters(), range(8), inner=inner, strength=strength), expected, 1e-12)
    assert_all_differ(expected, unheld(inner, range(8)))
