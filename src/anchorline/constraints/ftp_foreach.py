"""FTP of many parameters at once: the formulas of ftp.py, piece by piece, without waiting for the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from anchorline.constraints.foreach import Batch, row_lengths, row_sums
from anchorline.constraints.projection import EPS
from anchorline.constraints.radii import moved
from anchorline.constraints.shards import local


class ProjectedBatch:
    """One step of a batch: made before the inner optimizer's step, `project` after it.

    `states` and `groups` belong to the batch's parameters, one each.
    """

    def __init__(self, batch: Batch, states: list[dict[str, Any]], groups: list[dict[str, Any]]) -> None:
        self.batch, self.states, self.groups = batch, states, groups
        self.steps = [float(state["step"]) for state in states]
        self.radii = self._stacked("radius")
        # All have one, or none: it hangs on the type.
        self.directions = [local(state["direction"]) for state in states if "direction" in state]
        self.slopes = self._slopes() if max(self.steps) > 1 else batch.zeros().expand(2, -1)

    def _stacked(self, name: str) -> Tensor:
        return torch.stack([state[name] for state in self.states])

    def _slopes(self) -> Tensor:
        """[2, T]: the radius' gradient, and |c|_1 over all rows. A row that lies on several processes is not
        yet divided by n."""
        batch = self.batch
        found = batch.zeros().repeat(2, 1)
        gradients = batch.gradients
        for piece in batch.pieces:
            gradient = batch.piece(piece, gradients)
            if self.directions:
                c = batch.piece(piece, self.directions)
            else:
                c = batch.parameter(piece) - batch.anchor(piece)
            norms = row_lengths(c)
            slope = row_sums(gradient * c)
            if not piece.cut:
                slope /= self._n(norms, self.radii[piece.numbers].unsqueeze(1))
            found[0].index_add_(0, piece.numbers, slope.sum(1))
            found[1].index_add_(0, piece.numbers, norms.sum(1))
        return found

    def _n(self, norms: Tensor, radii: Tensor) -> Tensor:
        # What the projection has left is of length n, or cut to the radius.
        return norms + EPS if self.directions else torch.minimum(norms + EPS, radii)

    def project(self) -> None:
        """Learn the radii, and pull every parameter to within its own."""
        batch = self.batch
        if batch.shards.whole:
            self._learn(self.slopes)
            largest = self._pull(None)
        else:
            told = batch.shards.gather(torch.cat([self.slopes, batch.largest_row_norms().unsqueeze(0)]))
            largest = batch.shards.largest_of(told[:, 2])
            self._learn(told[:, :2].sum(0))
            self._pull(largest)
        self._keep("radius", torch.minimum(self.radii, largest + EPS))

    def _learn(self, slopes: Tensor) -> None:
        """Move the radii of all that had a direction."""
        if max(self.steps) == 1:
            return
        slope, total = slopes
        if not self.batch.shards.whole:
            slope = torch.where(self.batch.shards.cut_rows, slope / self._n(total, self.radii), slope)
        m, v = self._stacked("exp_avg"), self._stacked("exp_avg_sq")
        k, rate = (self._each([group[name] for group in self.groups]) for name in ("k", "radius_lr"))
        steps, smallest = self._each(self.steps), self._stacked("smallest")
        radii, new_m, new_v = moved(self.radii, m, v, slope, steps, k, rate, smallest)
        if min(self.steps) == 1:  # gradients came late: nothing was to be learnt for those
            begun = self.batch.of_each(self.steps) > 1
            radii = torch.where(begun, radii, self.radii)
            new_m, new_v = torch.where(begun, new_m, m), torch.where(begun, new_v, v)
        self.radii = radii
        self._keep("exp_avg", new_m)
        self._keep("exp_avg_sq", new_v)

    def _each(self, values: list[float]) -> Tensor | float:
        """One number where all are the same: nothing has to be sent to the device."""
        return values[0] if len(set(values)) == 1 else self.batch.of_each(values)

    def _pull(self, cut_norms: Tensor | None) -> Tensor:
        """Project, and give the largest row norms of before, [T]; `cut_norms` are those of the rows that lie
        on several processes."""
        batch = self.batch
        found = batch.zeros()
        for piece in batch.pieces:
            weights, anchor = batch.parameter(piece), batch.anchor(piece)
            c = weights - anchor
            norms = row_lengths(c)
            batch.raise_(found, piece, norms)
            if piece.cut and cut_norms is not None:
                norms = cut_norms[piece.numbers].unsqueeze(1)
            share = (self.radii[piece.numbers].unsqueeze(1) / (norms + EPS)).clamp(max=1)
            share = share.view(*share.shape, *[1] * (c.ndim - 2))
            batch.pull(piece, anchor, weights, share)
            if self.directions:
                piece.write(self.directions, c)
        return found

    def _keep(self, name: str, values: Tensor) -> None:
        torch._foreach_copy_([state[name] for state in self.states], list(values.unbind()))
