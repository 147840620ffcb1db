"""L2-SP: a penalty on the squared distance from the starting point (Li et al. 2018, arXiv 1802.01483)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from torch import Tensor
from torch.optim import Optimizer

from anchorline.constraints.anchors import Held
from anchorline.constraints.base import AnchorOptions, Constrained
from anchorline.constraints.foreach import Cached


class L2SP(Constrained):
    """Adds strength / 2 |W - W0|^2 to the loss, through its gradient (equation 3 of the paper); decoupled, it
    decays the weights towards W0 as AdamW decays them towards zero: W -= lr strength (W - W0).

    The penalty's gradient is added to the parameters' gradients in place.

    Args:
        optimizer, named_parameters, where: see `Constrained`.
        strength: of the penalty. Also for each group.
        decoupled: decay the weights and leave the gradients alone: what an adaptive optimizer needs, which
            divides a penalty's gradient by the size of the loss's.
    """

    label = "l2_sp"

    def __init__(
        self,
        optimizer: Optimizer,
        named_parameters: Iterable[tuple[str, Tensor]],
        *,
        strength: float = 1e-2,
        decoupled: bool = False,
        **where: Unpack[AnchorOptions],
    ) -> None:
        self.decoupled = decoupled
        self._batches_of = Cached()
        super().__init__(optimizer, named_parameters, {"strength": strength}, **where)

    def _before(self, active: list[Held]) -> None:
        for batch in self._batches_of(active):
            moved = batch.parameters if self.decoupled else batch.gradients
            for piece in batch.pieces:
                groups = [self.param_groups[batch.held[i].group] for i in piece.members]
                strengths = [g["strength"] * (-g["lr"] if self.decoupled else 1) for g in groups]
                c = batch.parameter(piece) - batch.anchor(piece)
                piece.write(moved, batch.piece(piece, moved) + c * batch.of_piece(strengths, c.ndim))
