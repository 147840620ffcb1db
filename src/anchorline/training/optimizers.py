"""Optimizers beside torch's: several as one, decay of changes, steps of a given length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer


class Together(Optimizer):
    """Several optimizers as one: their groups in a row, one state, one step.

    They share their groups and their state with it, so that schedules, state dicts and what wraps an
    optimizer need not know.
    """

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        self._parts = list(parts)
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        start = 0
        for part in self._parts:
            end = start + len(part.param_groups)
            part.param_groups = self.param_groups[start:end]
            part.state = self.state
            start = end

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of each."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(dict(state_dict))
        self._share()


class AdamWOfChanges(AdamW):
    """AdamW of changes to values that stay: its decay takes the sum of both towards zero, as that of AdamW on
    the sum would. A group's "origins" are the values, in the order of its parameters."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss: float | None = super().step(closure)
        for group in self.param_groups:
            for parameter, origin in zip(group["params"], group["origins"], strict=True):
                parameter.sub_(origin, alpha=group["lr"] * group["weight_decay"])
        return loss


class NormalisedSGD(SGD):
    """SGD on g / rms(g): the learning rate is the root mean square of a step, over the entries that have a
    gradient (EVP, arXiv 2212.10556, section 3.2, where it is told as lr·√n over the L2 norm)."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    reached = parameter.grad.count_nonzero().clamp(min=1)
                    norm = parameter.grad.norm().clamp(min=torch.finfo(parameter.dtype).tiny)
                    parameter.grad.mul_(reached.sqrt() / norm)
        loss: float | None = super().step(closure)
        return loss


KINDS: dict[str, Callable[..., Optimizer]] = {
    "adamw": AdamW,
    "adamw-of-changes": AdamWOfChanges,
    "adam": Adam,
    "sgd": SGD,
    "normalised-sgd": NormalisedSGD,
}
