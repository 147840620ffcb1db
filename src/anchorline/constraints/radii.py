"""How radii are learned: Adam on one number for each parameter."""

from __future__ import annotations

import torch
from torch import Tensor

from anchorline.constraints.anchors import Held
from anchorline.constraints.projection import working_type
from anchorline.constraints.shards import Shards, local

SMALLEST = 1e-8  # radius, and the first value of a learned one
VISIBLE = 64  # units in the last place that a movement must have for its direction to be seen
BETAS = (0.9, 0.999)


def smallest_radius(one: Held, visible: float) -> Tensor:
    """The least radius of a parameter: SMALLEST, or `visible` units in the last place of a mean row of its
    anchor, [] in the type that norms are computed in."""
    parameter = local(one.parameter)
    least = torch.tensor(SMALLEST, dtype=working_type(parameter), device=parameter.device)
    if one.anchor is None or not visible:
        return least
    total = local(one.anchor).to(least).abs().sum()
    total = Shards([one.parameter]).gather(total.view(1)).sum()
    rows = max(1, len(one.parameter)) if one.parameter.ndim > 1 else 1
    return torch.maximum(least, visible * torch.finfo(parameter.dtype).eps * total / rows)


def moved(
    radius: Tensor, m: Tensor, v: Tensor, slope: Tensor, step: Tensor | float, k: Tensor | float,
    rate: Tensor | float, smallest: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """One step of Adam on radii, at least the smallest; new radii and moments."""
    slope = torch.where(slope > 0, k * slope, slope)
    m = BETAS[0] * m + (1 - BETAS[0]) * slope
    v = BETAS[1] * v + (1 - BETAS[1]) * slope**2
    update = m / (1 - BETAS[0] ** step) / ((v / (1 - BETAS[1] ** step)).sqrt() + 1e-8)
    return torch.maximum(radius - rate * update, smallest), m, v
