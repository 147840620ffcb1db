"""The formula of each constraint, written out plainly."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.helpers.constrained import (
    INNER,
    assert_near,
    assert_same_bits,
    give_gradients,
    made,
    noise,
    parameters,
    train,
    validation,
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


def tpgm_by_hand(name: str, start: Tensor, norm: str, rate: float, steps: int) -> tuple[Tensor, float]:
    """Every two steps, two validation batches; the radius' gradient comes from autograd."""
    theta = nn.Parameter(start.clone())
    optimizer = INNER["sgd"]([theta])
    radius, m, v, t = None, 0.0, 0.0, 0
    for step in range(steps):
        theta.grad = noise(name, step, theta)
        optimizer.step()
        if step % 2 == 0:
            continue
        c = rows(theta.detach() - start)
        n = (c.abs().sum(1, keepdim=True) if norm == "mars" else c.norm()) + 1e-8
        radius = (n.min() / 2 if radius is None else radius).clamp(1e-8, n.max())
        for _ in range(2):
            gamma = radius.clone().requires_grad_()
            projected = start + (F.hardtanh(gamma / n, 0, 1) * c).view_as(start)
            (g,) = torch.autograd.grad(validation({name: projected}), gamma)
            m, v, t = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2, t + 1
            step_of_adam = m / (1 - 0.9**t) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
            radius = (radius - rate * step_of_adam).clamp(1e-8, n.max())
        theta.data = start + ((radius / n).clamp(0, 1) * c).view_as(start)
    return theta.detach(), float(radius)


@pytest.mark.parametrize("rate", [1e-2, 0.3])  # the high one drives radii to the largest norm
@pytest.mark.parametrize("norm", ["mars", "l2"])
def test_tpgm_by_hand(norm, rate, pieces):
    named = parameters()
    expected = {n: tpgm_by_hand(n, p, norm, rate, 9) for n, p in values(named).items()}
    optimizer = made("tpgm", named, "sgd", norm=norm, radius_lr=rate)
    assert optimizer.radii() == {}
    train(optimizer, named, range(9))
    assert_near(named, {name: theta for name, (theta, _) in expected.items()}, 1e-12)
    assert optimizer.radii() == pytest.approx({name: gamma for name, (_, gamma) in expected.items()})
    if rate == 1e-2:
        assert_all_differ(named, unheld("sgd", range(9)))


def test_tpgm_leaves_no_gradient_of_validation_images():
    named = parameters()
    train(made("tpgm", named), named, range(2))
    assert all(parameter.grad is None for parameter in named.values())


@pytest.mark.parametrize("wrong", [{"every": 0}, {"iterations": 0}, {"norm": "l1"}])
def test_tpgm_refuses_settings_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))}=.*: give "):
        made("tpgm", parameters(), **wrong)
