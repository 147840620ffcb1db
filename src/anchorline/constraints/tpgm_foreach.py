"""TPGM of many parameters at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from anchorline.constraints.foreach import Batch, Piece, row_lengths, row_sums
from anchorline.constraints.projection import EPS, Norm, working_type
from anchorline.constraints.radii import SMALLEST, moved
from anchorline.constraints.shards import local


class FreeBatch:
    """Parameters as the inner optimizer left them, and their radii.

    Radii are bounded by norms as they are; EPS is in what they are divided by alone. So a radius at its
    largest is below the norm that it is compared with, and has a gradient there (as in the released code).
    """

    def __init__(
        self, batch: Batch, states: Mapping[Tensor, dict[str, Any]], norm: Norm, learning: bool
    ) -> None:
        """`learning`: projected more than once, and always from where the inner optimizer left them."""
        self.batch, self.norm = batch, norm
        self.states = [states[one.parameter] for one in batch.held]
        self.free = [p.detach().clone() if learning else p for p in batch.parameters]
        self.totals, largest, smallest = self._totals()
        for one, state, least in zip(batch.held, self.states, smallest.unbind(), strict=True):
            if "radius" not in state:
                zero = torch.zeros((), dtype=working_type(local(one.parameter)), device=batch.device)
                state |= {"radius": least / 2, "step": torch.tensor(0.0)}
                state |= {"exp_avg": zero, "exp_avg_sq": zero.clone()}
        self.largest = largest
        self._put(torch.stack([state["radius"] for state in self.states]))

    def _put(self, radii: Tensor) -> None:
        self.radii = torch.minimum(radii, self.largest).clamp(min=SMALLEST)
        for state, radius in zip(self.states, self.radii.unbind(), strict=True):
            state["radius"] = radius.clone()

    def _totals(self) -> tuple[Tensor, Tensor, Tensor]:
        """Norm of each parameter as a whole, of its largest and of its smallest row, each [T]."""
        batch = self.batch
        total, largest = batch.zeros(), batch.zeros()
        smallest = torch.full_like(total, torch.inf)
        for piece in batch.pieces:
            c = batch.piece(piece, self.free) - batch.anchor(piece)
            rows = row_lengths(c)
            total.index_add_(0, piece.numbers, (row_sums(c.square()) if self.norm == "l2" else rows).sum(1))
            batch.raise_(largest, piece, rows)
            smallest[piece.numbers] = torch.minimum(smallest[piece.numbers], rows.amin(1))
        told = batch.shards.gather(torch.stack([total, largest, smallest]))
        total = told[:, 0].sum(0)
        if self.norm == "l2":
            total = total.sqrt()
            return total, total, total
        cut = torch.zeros_like(total, dtype=torch.bool) if batch.shards.whole else batch.shards.cut_rows
        return (
            total,
            torch.where(cut, total, told[:, 1].amax(0)),
            torch.where(cut, total, told[:, 2].amin(0)),
        )

    def _pieces(self) -> Iterable[tuple[Piece, Tensor, Tensor, Tensor]]:
        """Each piece with its anchor, c = W - W0 and the norms n of its rows, [G, R] or [G, 1]."""
        for piece in self.batch.pieces:
            anchor = self.batch.anchor(piece)
            c = self.batch.piece(piece, self.free) - anchor
            known = self.norm == "l2" or piece.cut
            n = self.totals[piece.numbers].unsqueeze(1) if known else row_lengths(c)
            yield piece, anchor, c, n + EPS

    def project(self) -> None:
        for piece, anchor, c, n in self._pieces():
            share = (self.radii[piece.numbers].unsqueeze(1) / n).clamp(max=1)
            weights = self.batch.piece(piece, self.free)
            share = share.view(*share.shape, *[1] * (c.ndim - 2))
            self.batch.pull(piece, anchor, weights, share)

    def learn(self, rates: list[float]) -> None:
        """One step of Adam along the gradients that the parameters have."""
        slope = self.batch.zeros()
        found = [one.parameter.grad for one in self.batch.held]
        gradients = [
            torch.zeros_like(free) if gradient is None else local(gradient)
            for gradient, free in zip(found, self.free, strict=True)
        ]
        for piece, _, c, n in self._pieces():
            radii = self.radii[piece.numbers].unsqueeze(1)
            # Where the radius is no bound, it has no gradient.
            along = row_sums(self.batch.piece(piece, gradients) * c) / n * (radii < n)
            slope.index_add_(0, piece.numbers, along.sum(1))
        slope = self.batch.shards.gather(slope).sum(0)
        for state in self.states:
            state["step"] += 1
        steps = self.batch.of_each([float(state["step"]) for state in self.states])
        m, v = (torch.stack([state[name] for state in self.states]) for name in ("exp_avg", "exp_avg_sq"))
        smallest = torch.full_like(slope, SMALLEST)
        radii, m, v = moved(self.radii, m, v, slope, steps, 1.0, self.batch.of_each(rates), smallest)
        for state, first, second in zip(self.states, m.unbind(), v.unbind(), strict=True):
            state["exp_avg"], state["exp_avg_sq"] = first.clone(), second.clone()
        self._put(radii)
