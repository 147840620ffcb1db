"""Rows of tensors, their norms, and what lies within a radius of an anchor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from anchorline.constraints.anchors import Anchor, names_of, read_anchor

EPS = 1e-8  # added to a row's norm before anything is divided by it
Norm = Literal["mars", "l2"]


def as_rows(tensor: Tensor) -> Tensor:
    """A view of at least two dimensions; a tensor of one dimension or none is one row."""
    if tensor.ndim == 0:
        return tensor.view(1, 1)
    return tensor.unsqueeze(0) if tensor.ndim == 1 else tensor


def working_type(tensor: Tensor) -> torch.dtype:
    """The type that norms are computed in: half precision would overflow."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def row_norms(tensor: Tensor) -> Tensor:
    """Sum of absolute values of each row, [R, 1, …] for a tensor of R rows: its maximum is the MARS norm,
    the maximum absolute row sum (arXiv 2002.08253, equation 4)."""
    rows = as_rows(tensor)
    return rows.abs().sum(tuple(range(1, rows.ndim)), keepdim=True)


def check_norm(norm: str) -> None:
    if norm not in ("mars", "l2"):
        raise ValueError(f'norm={norm!r}: give "mars" or "l2"')


def _norms(tensor: Tensor, norm: Norm) -> Tensor:
    check_norm(norm)
    return row_norms(tensor) if norm == "mars" else torch.linalg.vector_norm(tensor)


@torch.no_grad()
def deviation(model: nn.Module, anchor: Anchor, norm: Norm = "mars") -> dict[str, float]:
    """How far each parameter that the anchor has is from it: the largest row norm, or the l2 norm.

    `anchor` is a mapping of names to tensors or a safetensors file. Raises ValueError if they have no
    parameter in common.
    """
    found = {
        name: _norms(weights - start, norm).amax()
        for name, parameter, anchored in _pairs(model, anchor)
        if parameter.numel()
        for weights, start in [_working(parameter, anchored)]
    }
    return dict(zip(found, torch.stack(list(found.values())).tolist(), strict=True)) if found else {}


@torch.no_grad()
def project(
    model: nn.Module, anchor: Anchor, radii: float | Mapping[str, float], norm: Norm = "mars"
) -> None:
    """Move every parameter, in place, to the nearest point of its line to the anchor within a radius.

    norm "mars": each row by itself, p = W0 + min(1, radius / |p - W0|_1) (p - W0); "l2": each tensor as a
    whole, by its Euclidean norm (TPGM, arXiv 2303.10720, equation 5). `radii` is one number, or one for each
    name; parameters without one stay. Raises ValueError for a negative radius or names that do not exist.
    """
    pairs = _pairs(model, anchor)
    wanted = dict(radii) if isinstance(radii, Mapping) else {name: radii for name, *_ in pairs}
    unknown = set(wanted) - {name for name, *_ in pairs}
    if unknown:
        raise ValueError(f"there is a radius for {min(unknown)}, which model and anchor do not both have")
    if negative := [name for name, radius in wanted.items() if not radius >= 0]:
        raise ValueError(f"the radius of {negative[0]} is {wanted[negative[0]]}; a radius is 0 or more")
    for name, parameter, anchored in pairs:
        if name in wanted and parameter.numel():
            weights, start = _working(parameter, anchored)
            share = (wanted[name] / (_norms(weights - start, norm) + EPS)).clamp(max=1)
            as_rows(parameter).copy_(torch.lerp(as_rows(start), as_rows(weights), share))


def _working(parameter: Tensor, anchored: Tensor) -> tuple[Tensor, Tensor]:
    weights = parameter.to(working_type(parameter))
    return weights, anchored.to(weights)


def _pairs(model: nn.Module, anchor: Anchor) -> list[tuple[str, Tensor, Tensor]]:
    anchors = read_anchor(anchor)
    if anchors is None:
        raise ValueError("an anchor is needed: a mapping of names to tensors, or a safetensors file")
    names = names_of(model.named_parameters())
    found: list[tuple[str, Tensor, Tensor]] = [
        (names[id(p)], p, anchors[names[id(p)]]) for p in model.parameters() if names[id(p)] in anchors
    ]
    if not found:
        raise ValueError("model and anchor have no parameter name in common")
    return found
