"""What stands around an optimizer."""

import math

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from tests.helpers.constrained import (
    INNER,
    assert_same_bits,
    give_gradients,
    made,
    parameters,
    train,
    validation,
    values,
)
from tests.helpers.held import (
    around,
    each,
)


@each
def test_cosine_rates_drive_the_inner_optimizer(kind):
    named = parameters()
    optimizer = made(kind, named)
    schedule = CosineAnnealingLR(optimizer, T_max=4)
    for step in range(1, 5):
        train(optimizer, named, [step])
        schedule.step()
        expected = 1e-2 * (1 + math.cos(math.pi * step / 4)) / 2
        assert optimizer.inner.param_groups[0]["lr"] == pytest.approx(expected, abs=1e-9)
    optimizer.load_state_dict(optimizer.state_dict())
    schedule.step()
    assert optimizer.inner.param_groups[0]["lr"] > 1e-4  # on the way up again


@around
@each
def test_one_cycle_drives_rates_and_momentum(kind, inner):
    held, free = parameters(), parameters()
    both = [made(kind, held, inner), INNER[inner](free.values())]
    seen: list[list[object]] = [[], []]
    for optimizer, named, told in zip(both, (held, free), seen, strict=True):
        schedule = OneCycleLR(optimizer, max_lr=0.1, total_steps=6)
        for step in range(5):
            train(optimizer, named, [step])
            schedule.step()
            group = optimizer.param_groups[0]
            told.append((group["lr"], group["betas"] if inner == "adamw" else group["momentum"]))
    assert seen[0] == seen[1]
    assert both[0].inner.param_groups is both[0].param_groups


@each
def test_a_gradient_scaler_skips_a_step_with_infinite_gradients(kind):
    named, plain = parameters(dtype=torch.float32), parameters(dtype=torch.float32)
    optimizer, other = made(kind, named), made(kind, plain)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=1000)
    scaler.scale(torch.ones(()))
    for step in range(6):
        give_gradients(named, step)
        for parameter in named.values():
            parameter.grad *= scaler.get_scale()
        if step == 3:
            named["conv.weight"].grad[0, 0, 0, 0] = torch.inf
        before = values(named)
        scaler.step(optimizer)
        scaler.update()
        if step == 3:
            assert_same_bits(values(named), before)
            assert scaler.get_scale() == 2.0**9
        else:
            train(other, plain, [step])
    assert_same_bits(named, plain)


@each
def test_accelerate_prepares_it(kind):

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.ParameterDict({n.replace(".", "_"): p for n, p in parameters().items()})

        def forward(self) -> Tensor:
            return validation(dict(self.weights))

    ends = []
    for prepared in (False, True):
        model = Model()
        named = dict(model.weights)
        optimizer = made(kind, named)
        accelerator = Accelerator(cpu=True) if prepared else None
        if accelerator:
            model, optimizer = accelerator.prepare(model, optimizer)
        for _ in range(4):
            optimizer.zero_grad()
            accelerator.backward(model()) if accelerator else model().backward()
            optimizer.step()
        ends.append(values(named))
    AcceleratorState._reset_state(reset_partial_state=True)
    assert_same_bits(ends[1], ends[0])
