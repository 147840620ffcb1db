"""Selective projection decay (Tian et al., NeurIPS 2024, arXiv 2411.01713)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

import torch
from torch import Tensor
from torch.optim import Optimizer

from anchorline.constraints.anchors import Held
from anchorline.constraints.base import AnchorOptions, Constrained
from anchorline.constraints.foreach import Batch, Cached


class SPD(Constrained):
    """Decays towards the anchor only those parameters whose gradient pulls back to it.

    With W the weights before the inner optimizer's step, W' after it, g the gradient at W and
    c = <-g, W - W0> (algorithm 1 of the paper), each parameter as a whole:

        where c < 0:  r = clip((|W' - W0| - |W - W0|) / |W' - W0|, 0, 1)
                      W = W' - strength r (W' - W0)

    Args:
        optimizer, named_parameters, where: see `Constrained`.
        strength: of the decay; 1 takes the step's growth back altogether. Also for each group.
    """

    label = "spd"

    def __init__(
        self,
        optimizer: Optimizer,
        named_parameters: Iterable[tuple[str, Tensor]],
        *,
        strength: float = 1.0,
        **where: Unpack[AnchorOptions],
    ) -> None:
        self._batches_of = Cached()
        super().__init__(optimizer, named_parameters, {"strength": strength}, **where)

    def _before(self, active: list[Held]) -> None:
        self._found = [_pull_and_square(batch) for batch in self._batches_of(active)]

    def _after(self, active: list[Held]) -> None:
        for batch, (pull, square) in zip(self._batches_of(active), self._found, strict=True):
            told = batch.shards.gather(torch.stack([pull, square, _square(batch)])).sum(0)
            before, now = told[1].sqrt(), told[2].sqrt()
            share = torch.where(told[0] > 0, ((now - before) / now).nan_to_num(0).clamp(0, 1), 0)
            strengths = [self.param_groups[one.group]["strength"] for one in batch.held]
            left = 1 - batch.of_each(strengths) * share
            for piece in batch.pieces:
                weights, anchor = batch.parameter(piece), batch.anchor(piece)
                each = left[piece.numbers].view(-1, *[1] * (weights.ndim - 1))
                batch.pull(piece, anchor, weights, each)
        del self._found


def _pull_and_square(batch: Batch) -> tuple[Tensor, Tensor]:
    """<g, W - W0> and |W - W0|^2 of each parameter, [T]; of shards, of those that lie here."""
    pull, square = batch.zeros(), batch.zeros()
    gradients = batch.gradients
    for piece in batch.pieces:
        c = batch.parameter(piece) - batch.anchor(piece)
        pull.index_add_(0, piece.numbers, (c * batch.piece(piece, gradients)).flatten(1).sum(1))
        square.index_add_(0, piece.numbers, c.square().flatten(1).sum(1))
    return pull, square


def _square(batch: Batch) -> Tensor:
    square = batch.zeros()
    for piece in batch.pieces:
        c = batch.parameter(piece) - batch.anchor(piece)
        square.index_add_(0, piece.numbers, c.square().flatten(1).sum(1))
    return square
