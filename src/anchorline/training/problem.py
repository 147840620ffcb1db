"""What the training loop is told of a task, whatever the task is."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from anchorline.methods.selection import ValScore
from anchorline.methods.tunables import TunableModel


class Problem(Protocol):
    """Examples to learn from, a loss, and a judgement on val. `len` is the number of examples."""

    @property
    def model(self) -> TunableModel:
        """What is trained, on `device`."""

    @property
    def device(self) -> torch.device:
        """Where the model and all batches lie."""

    def __len__(self) -> int: ...

    def batch(self, chosen: Tensor, seeds: list[int], step: int, mine: slice) -> tuple[Any, ...]:
        """The model's arguments for this process's share, `mine`, of the examples numbered `chosen`, int64
        [N]; `seeds` has one for what is drawn for each."""

    def labels(self, chosen: Tensor, seeds: list[int], step: int) -> Tensor:
        """The labels of these examples, [N, …]; some are augmented as their images are."""

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch of outputs [N, …]."""

    def val_loss(self, rng: torch.Generator, size: int, step: int) -> Tensor:
        """The loss of `size` images of val, drawn by `rng`, with gradients: for what learns on val."""

    def validate(self) -> tuple[ValScore, dict[str, float]]:
        """How the model does on val: what chooses the best epoch, and the figures to log."""
