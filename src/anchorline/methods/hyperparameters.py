"""How a method's parameters are trained: the hyper-parameters, and what they may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from anchorline.errors import UserError

Augmentation = Literal["none", "flip", "crop", "crop-only", "trivial"]
Schedule = Literal["cosine", "poly", "steps", "quarter-cosine"]
_CALLED = {  # before format 2
    "batch": "batch_size",
    "clip": "max_grad_norm",
    "accumulate": "grad_accumulation_steps",
    "warmup": "warmup_fraction",
}


@dataclass(frozen=True)
class Training:
    """How a method's parameters are trained.

    Attributes:
        epochs: passes over train.
        batch_size: images a step, over all processes; an epoch drops the images beyond whole batches.
        lr: peak learning rate.
        optimizer: torch's AdamW, or SGD with momentum betas[0].
        nesterov: whether the momentum of SGD is Nesterov's.
        betas, eps: of AdamW.
        weight_decay: towards zero, of AdamW decoupled, on everything that is trained, unless a tunable says
            otherwise.
        decay_held: also on what a constraint holds, which is pulled to its pre-trained values already.
        warmup_fraction: share of the steps over which the rate rises linearly.
        schedule: what lowers it over the steps after the warm-up: half a cosine to zero; "poly",
            (1 - t / T) ** 0.9; "steps", to a half, a fifth and a tenth after 40, 70 and 80 % of them; or
            "quarter-cosine", a quarter of one, once an epoch (CODA-Prompt, arXiv 2211.13218).
        augmentation: of the training images: "none", "flip", "crop" (with flip), "crop-only" (without), or
            "trivial", one of the changes of TrivialAugment at a random strength (arXiv 2103.10158).
        crop_scale: least and greatest share of an image's area that a crop holds.
        max_grad_norm: largest norm of all gradients together; 0: none.
        grad_accumulation_steps: parts into which a batch is cut to save memory; a contrastive loss sees one
            at a time.
        patience: stop after so many epochs without a better val accuracy; 0: never. The best epoch counts.
        precision: of the forward pass; "auto": bf16 on GPUs, float32 elsewhere.
    """

    epochs: int = 10
    batch_size: int = 64
    lr: float = 1e-4
    optimizer: Literal["adamw", "sgd"] = "adamw"
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decay_held: bool = False
    warmup_fraction: float = 0.1
    schedule: Schedule = "cosine"
    augmentation: Augmentation = "none"
    crop_scale: tuple[float, float] = (0.6, 1.0)
    max_grad_norm: float = 1.0
    grad_accumulation_steps: int = 1
    patience: int = 0
    precision: Literal["auto", "float32", "bf16"] = "auto"

    @classmethod
    def upgraded(cls, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Fields as format 1 called them, in today's words."""
        return {_CALLED.get(name, name): value for name, value in fields.items()}


def check_training(method: str, training: Training, least_epochs: int = 0) -> None:
    """Raises `UserError`, with the method's name, for numbers that make no sense."""
    whole = {"epochs": least_epochs, "batch_size": 1, "grad_accumulation_steps": 1, "patience": 0}
    for name, least in whole.items():
        if getattr(training, name) < least:
            raise UserError(
                f"{method} has training.{name}={getattr(training, name)}; give a number from {least}"
            )
    for name in ("lr", "weight_decay", "eps", "max_grad_norm"):
        value = getattr(training, name)
        if not (math.isfinite(value) and value >= 0):
            raise UserError(f"{method} has training.{name}={value:g}; give a finite number from 0")
    smallest, greatest = training.crop_scale
    if not 0 < smallest <= greatest <= 1:
        raise UserError(
            f"{method} has training.crop_scale={smallest:g},{greatest:g}; give two shares in (0, 1], the "
            "smallest first"
        )
    if training.nesterov and (training.optimizer != "sgd" or not training.betas[0]):
        raise UserError(
            f"{method} has training.nesterov=true; it needs training.optimizer=sgd with a momentum"
        )
    if not 0 <= training.warmup_fraction <= 1:
        raise UserError(
            f"{method} has training.warmup_fraction={training.warmup_fraction:g}; give a share in [0, 1]"
        )
    if not all(0 <= beta < 1 for beta in training.betas):
        betas = ",".join(f"{beta:g}" for beta in training.betas)
        raise UserError(f"{method} has training.betas={betas}; give two shares from 0 to below 1")
