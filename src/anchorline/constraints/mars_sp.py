"""MARS-SP: a penalty on the maximum absolute row sum of the distance (Gouk et al. 2021, arXiv 2002.08253)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

import torch
from torch import Tensor
from torch.optim import Optimizer

from anchorline.constraints.anchors import Held
from anchorline.constraints.base import AnchorOptions, Constrained
from anchorline.constraints.foreach import Cached, row_lengths


class MARSSP(Constrained):
    """Adds strength max_r sum_k |W - W0|_rk of every parameter to the loss, through its subgradient: strength
    times the signs of the row that has moved farthest, which is added to the parameters' gradients in place.

    Args:
        optimizer, named_parameters, where: see `Constrained`.
        strength: of the penalty. Also for each group.
    """

    label = "mars_sp"

    def __init__(
        self,
        optimizer: Optimizer,
        named_parameters: Iterable[tuple[str, Tensor]],
        *,
        strength: float = 1e-4,
        **where: Unpack[AnchorOptions],
    ) -> None:
        self._batches_of = Cached()
        super().__init__(optimizer, named_parameters, {"strength": strength}, **where)

    def _before(self, active: list[Held]) -> None:
        for batch in self._batches_of(active):
            gradients = batch.gradients
            largest = batch.shards.largest(batch.largest_row_norms())
            for piece in batch.pieces:
                strengths = [self.param_groups[batch.held[i].group]["strength"] for i in piece.members]
                c = batch.parameter(piece) - batch.anchor(piece)
                farthest = row_lengths(c) >= largest[piece.numbers].unsqueeze(1)
                if piece.cut:  # one row, of which this is a part
                    farthest = torch.ones_like(farthest)
                # In the type of c: a truth value times a number would be rounded to float32.
                signs = c.sign() * farthest.view(*farthest.shape, *[1] * (c.ndim - 2))
                added = signs * batch.of_piece(strengths, c.ndim)
                piece.write(gradients, batch.piece(piece, gradients) + added)
