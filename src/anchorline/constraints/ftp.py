"""Fast Trainable Projection (Tian et al., NeurIPS 2023, arXiv 2310.19182, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Unpack

import torch
from torch import Tensor
from torch.optim import Optimizer

from anchorline.constraints.anchors import Held
from anchorline.constraints.base import AnchorOptions, Constrained
from anchorline.constraints.foreach import Cached
from anchorline.constraints.ftp_foreach import ProjectedBatch
from anchorline.constraints.projection import EPS, as_rows, row_norms, working_type
from anchorline.constraints.radii import VISIBLE, moved, smallest_radius
from anchorline.constraints.shards import local


class FTP(Constrained):
    """Projects every parameter back to within a radius of its anchor, and learns the radius on the way.

    After each step of the inner optimizer, with W0 the anchor and c = W - W0 row by row:

        n = |c|_1 + 1e-8                              a tensor of one dimension is one row
        W = W0 + min(1, radius / n) c

    The radius is 1e-8 at a parameter's first gradient, so its first step ends at the anchor. Before each
    later step Adam moves it by its own gradient, sum over rows of <gradient, c> / n with c and n of the step
    before (hyper-optimisation, equations 8 and 9), times k where that is positive; then it is kept
    between 1e-8 and the largest n.

    Args:
        optimizer, named_parameters, where: see `Constrained`.
        k: how readily radii shrink, 0 (never) to 1 (as the gradient says). Also for each group.
        radius_lr: Adam's rate for the radii, in units of row norms. Also for each group.
        exact: keep c of the step before, a second copy of the model. Without it the direction c / n is read
            off where the projection has left the parameters. That is the same but for rounding, and a radius
            is then no smaller than 64 units in the last place of a mean row of the anchor, for nothing shows
            below (a share of 8e-6 of the weights). This is for float32: parameters in half precision show too
            little, and those in double precision are there to be exact, so that theirs is always kept.
        foreach: many parameters at a time; else the formulas one parameter after the other.
    """

    label = "ftp"

    def __init__(
        self,
        optimizer: Optimizer,
        named_parameters: Iterable[tuple[str, Tensor]],
        *,
        k: float = 1.0,
        radius_lr: float = 1e-2,
        exact: bool = False,
        foreach: bool = True,
        **where: Unpack[AnchorOptions],
    ) -> None:
        self.exact = exact
        self.foreach = foreach
        self._batches_of = Cached()
        super().__init__(optimizer, named_parameters, {"k": k, "radius_lr": radius_lr}, **where)

    def add_param_group(
        self, param_group: dict[str, Any], named_parameters: Iterable[tuple[str, Tensor]] = ()
    ) -> None:
        for name, lowest in (("k", 0.0), ("radius_lr", 0.0)):
            value = param_group.get(name, self.defaults[name])
            if not lowest <= value <= 1:
                raise ValueError(f"{name}={value}: give a number from 0 to 1")
        super().add_param_group(param_group, named_parameters)

    def radii(self) -> dict[str, float]:
        """The learned radius of each parameter that has had a gradient, by name, in units of row norms."""
        found = {one.name: self.state[one.parameter]["radius"] for one in self._held
                 if "radius" in self.state[one.parameter]}  # fmt: skip
        return {name: float(radius) for name, radius in found.items()}

    @torch.no_grad()
    def start_from_here(self) -> None:
        """Let every radius start at its parameter's present distance from the anchor, not at the anchor.

        For parameters that begin elsewhere, because they go on from another training. Call it before the
        first step; the first gradient then already moves the radii.
        """
        for one in self._held:
            self._begin(one)
            weights, anchor = _rows(one)
            if not weights.numel():
                continue
            state, c = self.state[one.parameter], weights - anchor
            state["radius"].copy_(torch.maximum((row_norms(c) + EPS).max(), state["smallest"]))
            if "direction" in state:
                as_rows(state["direction"]).copy_(c)

    def _before(self, active: list[Held]) -> None:
        for one in active:
            self._begin(one)
        if not self.foreach:
            for one in active:
                self._learn_radius(one)
        else:
            self._stepping = [
                ProjectedBatch(
                    batch,
                    [self.state[one.parameter] for one in batch.held],
                    [self.param_groups[one.group] for one in batch.held],
                )
                for batch in self._batches_of(active)
            ]

    def _after(self, active: list[Held]) -> None:
        if not self.foreach:
            for one in active:
                self._project(one)
        else:
            for batch in self._stepping:
                batch.project()
            del self._stepping

    def _begin(self, one: Held) -> None:
        state = self.state[one.parameter]
        if "radius" in state:
            state["step"] += 1
            return
        parameter = local(one.parameter)
        if parameter is not one.parameter and not self.foreach:
            raise ValueError(
                f"{one.name} is cut over processes, which foreach=False does not know; leave it out"
            )
        zero = torch.zeros((), dtype=working_type(parameter), device=parameter.device)
        state["step"] = torch.tensor(1.0)  # on the CPU, where nobody waits for it
        remembers = self._remembers(one)
        state["smallest"] = smallest_radius(one, 0 if remembers else VISIBLE)
        # Rounded to float32 also for float64 weights, as in the released code.
        state["radius"] = state["smallest"].to(torch.float32, copy=True).to(zero)
        state["exp_avg"], state["exp_avg_sq"] = zero.clone(), zero.clone()
        if remembers:
            state["direction"] = torch.zeros_like(one.parameter)

    def _remembers(self, one: Held) -> bool:
        return self.exact or one.parameter.dtype != torch.float32

    def _check(self, one: Held, values: dict[str, Any]) -> None:
        super()._check(one, values)
        if "radius" in values and ("direction" in values) != self._remembers(one):
            raise ValueError(
                f"this state of {one.name} was written with another value of exact, or for another type"
            )

    def _learn_radius(self, one: Held) -> None:
        """The formulas, for one parameter; before the inner step, which may change gradients in place."""
        state = self.state[one.parameter]
        if state["step"] == 1:
            return  # there is no direction yet
        gradient = as_rows(one.parameter.grad).to(state["radius"].dtype)  # type: ignore[arg-type]
        if "direction" in state:
            c = as_rows(state["direction"]).to(gradient)
            n = row_norms(c) + EPS
        else:
            weights, anchor = _rows(one)
            c = weights - anchor
            # c is what the projection left: of length n, or cut to the radius.
            n = torch.minimum(row_norms(c) + EPS, state["radius"])
        slope = (gradient * c / n).sum()
        group = self.param_groups[one.group]
        radius, m, v = moved(
            state["radius"], state["exp_avg"], state["exp_avg_sq"], slope,
            float(state["step"]), group["k"], group["radius_lr"], state["smallest"],
        )  # fmt: skip
        state["radius"].copy_(radius)
        state["exp_avg"].copy_(m)
        state["exp_avg_sq"].copy_(v)

    def _project(self, one: Held) -> None:
        state = self.state[one.parameter]
        weights, anchor = _rows(one)
        if not weights.numel():
            return
        c = weights - anchor
        n = row_norms(c) + EPS
        share = (state["radius"] / n).clamp(max=1)
        as_rows(one.parameter).copy_(torch.lerp(anchor.expand_as(weights), weights, share))
        state["radius"].copy_(torch.minimum(state["radius"], n.max()))
        if "direction" in state:
            as_rows(state["direction"]).copy_(c)


def _rows(one: Held) -> tuple[Tensor, Tensor]:
    """The parameter and its anchor by rows, in the type that norms are computed in."""
    weights = as_rows(one.parameter).to(working_type(one.parameter))
    anchor = torch.zeros_like(weights) if one.anchor is None else as_rows(one.anchor).to(weights)
    return weights, anchor
