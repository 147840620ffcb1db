"""Trainable projected gradient method (Tian et al., CVPR 2023, arXiv 2303.10720)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Unpack

import torch
from torch import Tensor
from torch.optim import Optimizer

from anchorline.constraints.anchors import Held
from anchorline.constraints.base import AnchorOptions, Constrained
from anchorline.constraints.foreach import Cached
from anchorline.constraints.projection import Norm, check_norm
from anchorline.constraints.tpgm_foreach import FreeBatch


class TPGM(Constrained):
    """After each step of the inner optimizer: projects the parameters to within a radius of each, which it
    learns on validation batches (algorithm 1 of the paper).

    The radius starts at half the smallest norm and stays between 1e-8 and the largest; Adam follows the
    gradient of the validation loss at the projected weights. Validation batches reach it through `validation`
    alone, at construction: no step takes images.

    While it learns, a copy of the parameters as the inner optimizer left them is kept; gradients are gone
    afterwards. It equals the released code in recorded trainings (`tests/constraints/test_tpgm.py`).

    Args:
        optimizer, named_parameters, where: see `Constrained`.
        validation: gives the loss of the next batch of validation images, with its graph.
        every: radii are learned at the first step and at each so many after it; the steps between project
            to within the radii as they are.
        iterations: validation batches at each learning.
        radius_lr: Adam's rate for the radii, in units of the norm.
        norm: "mars", each row by its absolute sum, or "l2", each parameter by its Euclidean norm.
    """

    label = "tpgm"

    def __init__(
        self,
        optimizer: Optimizer,
        named_parameters: Iterable[tuple[str, Tensor]],
        validation: Callable[[], Tensor],
        *,
        every: int = 1,
        iterations: int = 1,
        radius_lr: float = 1e-2,
        norm: Norm = "mars",
        **where: Unpack[AnchorOptions],
    ) -> None:
        if every < 1 or iterations < 1:
            raise ValueError(f"every={every} and iterations={iterations}: give whole numbers from 1")
        check_norm(norm)
        self.validation, self.every, self.iterations, self.norm = validation, every, iterations, norm
        self._batches_of = Cached()
        super().__init__(optimizer, named_parameters, {"radius_lr": radius_lr}, **where)

    def radii(self) -> dict[str, float]:
        """The learned radius of each parameter, by name, in units of the norm; empty before the first."""
        return {
            one.name: float(self.state[one.parameter]["radius"])
            for one in self._held
            if "radius" in self.state[one.parameter]
        }

    def _after(self, active: list[Held]) -> None:
        trained = [one for one in self._held if one.parameter.requires_grad]
        if not trained:
            return
        for one in trained:
            self.state[one.parameter].setdefault("taken", torch.tensor(0.0))
        learning = int(self.state[trained[0].parameter]["taken"]) % self.every == 0
        for one in trained:
            self.state[one.parameter]["taken"] += 1
        batches = [FreeBatch(batch, self.state, self.norm, learning) for batch in self._batches_of(trained)]
        if learning:
            self._learn(batches)
        for batch in batches:
            batch.project()

    def _learn(self, batches: list[FreeBatch]) -> None:
        for _ in range(self.iterations):
            for batch in batches:
                batch.project()
            self.zero_grad()
            with torch.enable_grad():
                self.validation().backward()  # type: ignore[no-untyped-call]
            for batch in batches:
                batch.learn([float(self.param_groups[one.group]["radius_lr"]) for one in batch.batch.held])
        self.zero_grad()
