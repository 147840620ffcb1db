"""What follows from the hyper-parameters alone: the optimizer, the rate at each step, seeds."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer

from anchorline.methods.hyperparameters import Schedule, Training
from anchorline.methods.tuned import TunableModel
from anchorline.training.optimizers import KINDS, Together


def optimizer_of(model: TunableModel, training: Training) -> Optimizer:
    """The optimizer of a model's parameter groups.

    A group may name an optimizer of its own ("optimizer": one of `KINDS`) and settings of it; the others have
    those of the training.
    """
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for group in model.groups(training.lr):
        own = dict(group)
        by_kind.setdefault(own.pop("optimizer", training.optimizer), []).append(own)
    parts = [_optimizer(kind, groups, training) for kind, groups in by_kind.items()]
    return parts[0] if len(parts) == 1 else Together(parts)


def _optimizer(kind: str, groups: list[dict[str, Any]], training: Training) -> Optimizer:
    decay = training.weight_decay
    if kind in ("sgd", "normalised-sgd"):
        momentum = training.betas[0] if kind == "sgd" else 0.0
        return KINDS[kind](groups, lr=training.lr, momentum=momentum, weight_decay=decay)
    # One kernel a tensor in place of ten, on the devices that have it.
    devices = {one.device.type for group in groups for one in group["params"]}
    fused = True if devices <= {"cpu", "cuda"} else None
    return KINDS[kind](
        groups, lr=training.lr, betas=training.betas, eps=training.eps, weight_decay=decay, fused=fused
    )


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
