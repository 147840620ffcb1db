"""What follows from the hyper-parameters alone: the optimizer, the rate at each step, seeds."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from anchorline.methods.constraints import Constraint
from anchorline.methods.hyperparameters import Schedule, Training
from anchorline.methods.tuned import TunableModel


def optimizer_of(model: TunableModel, training: Training, constraint: Constraint) -> torch.optim.Optimizer:
    """What `constraint` is then wrapped around."""
    groups = model.groups(training.lr)
    if constraint.holds and not training.decay_held:
        anchors, own = model.anchors(), model.named_parameters()
        held = {parameter for name, parameter in own if name in anchors}
        groups = [part for group in groups for part in _without_decay(group, held)]
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=training.lr, momentum=training.betas[0], weight_decay=training.weight_decay
        )
    return torch.optim.AdamW(
        groups, lr=training.lr, betas=training.betas, eps=training.eps, weight_decay=training.weight_decay
    )


def _without_decay(group: dict[str, Any], held: Collection[nn.Parameter]) -> list[dict[str, Any]]:
    """The held parameters of a group, which then have no weight decay, and the others."""
    parts = [
        {**group, "params": [p for p in group["params"] if p in held], "weight_decay": 0.0},
        {**group, "params": [p for p in group["params"] if p not in held]},
    ]
    return [part for part in parts if part["params"]]


def rate_at(step: int, steps: int, warmup: float, schedule: Schedule = "cosine") -> float:
    """Share of the peak learning rate at a step: linear warm-up, then the schedule to zero."""
    rise = warmup * steps
    if step + 1 < rise:
        return (step + 1) / rise
    gone = max(0.0, step - rise) / max(1.0, steps - rise)
    return (1 - gone) ** 0.9 if schedule == "poly" else 0.5 * (1 + math.cos(math.pi * gone))


def mixed_seed(*numbers: int) -> int:
    """One seed out of several, far from those of near numbers."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 6364136223846793005 + number + 1442695040888963407) % 2**63
    return mixed
