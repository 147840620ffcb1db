"""What a training loop and a constraint need to know of a model: what is trained, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class TunableModel(nn.Module):
    """A model whose parameters that require gradients, and statistics that training moves, are what is tuned.

    Nothing else is saved. The loop says `train()` before it learns and `eval()` before it looks at val; what
    moves statistics then tells `statistics` of them, and any other model stays in evaluation mode.
    """

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """Parameter groups for an optimizer at the method's learning rate."""
        return [{"params": list(self._own().values()), "lr": lr}]

    def _own(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def anchors(self) -> dict[str, Tensor]:
        """The pre-trained values of the trained parameters that have such, by name."""
        return {}

    def statistics(self) -> dict[str, Tensor]:
        """Buffers of normalisation layers that training moves without a gradient, by name."""
        return {}

    def tuned(self) -> dict[str, Tensor]:
        """Copies of the tuned tensors, by name, on the CPU."""
        own = {**self._own(), **self.statistics()}
        return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in own.items()}

    @torch.no_grad()
    def put(self, tuned: Mapping[str, Tensor]) -> None:
        """Take over tuned tensors by name."""
        own = {**self._own(), **self.statistics()}
        if set(own) != set(tuned):
            raise ValueError(f"tuned tensors do not fit: {sorted(set(own) ^ set(tuned))}")
        for name, tensor in tuned.items():
            own[name].copy_(tensor)
