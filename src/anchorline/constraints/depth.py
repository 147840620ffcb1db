"""Strengths that change with depth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor


def by_depth(
    named_parameters: Iterable[tuple[str, Tensor]], strength: str, first: float, last: float
) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer: `strength` ("k", "strength", "radius_lr") goes in equal steps from
    `first` in the module that the model registers first to `last` in the one that it registers last.

        torch.optim.AdamW(by_depth(model.named_parameters(), "k", first=1.0, last=0.0), lr=1e-5)
    """
    modules: dict[str, list[Tensor]] = {}
    for name, parameter in named_parameters:
        modules.setdefault(name.rpartition(".")[0], []).append(parameter)
    steps = max(1, len(modules) - 1)
    return [
        {"params": parameters, strength: first + (last - first) * number / steps}
        for number, parameters in enumerate(modules.values())
    ]
