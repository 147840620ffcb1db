"""What follows from the hyper-parameters alone: the optimizer, the rate at each step, seeds."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from torch import nn
from torch.optim import Optimizer

from anchorline.methods.constraints import Constraint
from anchorline.methods.hyperparameters import Training
from anchorline.methods.tuned import TunableModel
from anchorline.training.optimizers import KINDS, Together


def optimizer_of(model: TunableModel, training: Training, constraint: Constraint) -> Optimizer:
    """The optimizer of a model's parameter groups, around which `constraint` is then wrapped.

    A group may name an optimizer of its own ("optimizer": one of `KINDS`) and settings of it; the others have
    those of the training. What is held has no decay, unless the training says so.
    """
    groups = model.groups(training.lr)
    if constraint.holds and not training.decay_held:
        anchors, own = model.anchors(), model.named_parameters()
        held = {parameter for name, parameter in own if name in anchors}
        groups = [part for group in groups for part in _without_decay(group, held)]
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for group in groups:
        own_group = dict(group)
        by_kind.setdefault(own_group.pop("optimizer", training.optimizer), []).append(own_group)
    parts = [_optimizer(kind, together, training) for kind, together in by_kind.items()]
    return parts[0] if len(parts) == 1 else Together(parts)


def _optimizer(kind: str, groups: list[dict[str, Any]], training: Training) -> Optimizer:
    decay = training.weight_decay
    if kind in ("sgd", "normalised-sgd"):
        momentum = training.betas[0] if kind == "sgd" else 0.0
        nesterov = training.nesterov and kind == "sgd"
        return KINDS[kind](groups, lr=training.lr, momentum=momentum, weight_decay=decay, nesterov=nesterov)
    # One kernel a tensor in place of ten, on the devices that have it.
    devices = {one.device.type for group in groups for one in group["params"]}
    fused = True if devices <= {"cpu", "cuda"} else None
    return KINDS[kind](
        groups, lr=training.lr, betas=training.betas, eps=training.eps, weight_decay=decay, fused=fused
    )


def _without_decay(group: dict[str, Any], held: Collection[nn.Parameter]) -> list[dict[str, Any]]:
    """The held parameters of a group, which then have no weight decay, and the others."""
    parts = [
        {**group, "params": [p for p in group["params"] if p in held], "weight_decay": 0.0},
        {**group, "params": [p for p in group["params"] if p not in held]},
    ]
    return [part for part in parts if part["params"]]


def rate_at(step: int, steps: int, training: Training) -> float:
    """Share of the peak learning rate at a step: linear warm-up, then the schedule."""
    rise = training.warmup_fraction * steps
    if step + 1 < rise:
        return (step + 1) / rise
    gone = max(0.0, step - rise) / max(1.0, steps - rise)
    if training.schedule == "poly":
        return math.pow(1 - gone, 0.9)
    if training.schedule == "steps":
        return next((rate for start, rate in _STEPS if gone >= start), 1.0)
    if training.schedule == "quarter-cosine":
        epoch = step * training.epochs // steps
        return math.cos(99 * math.pi * epoch / (200 * max(1, training.epochs - 1)))
    return 0.5 * (1 + math.cos(math.pi * gone))


# When the rate falls, latest first, and to what share (IBM/reprogrammer, utils/learning_rate.py, step_lr).
_STEPS = ((0.8, 0.1), (0.7, 0.2), (0.4, 0.5))


def mixed_seed(*numbers: int) -> int:
    """One seed out of several, far from those of near numbers."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 6364136223846793005 + number + 1442695040888963407) % 2**63
    return mixed
