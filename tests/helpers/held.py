"""What tests of constraints share: every kind, around every optimizer."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TypeVar

import pytest
import torch
from torch import Tensor

from tests.helpers.constrained import (
    CLASSES,
    INNER,
    Named,
    made,
    parameters,
    train,
    values,
)

T = TypeVar("T", bound=Tensor)
KINDS = tuple(CLASSES)
HEADS = ("head.weight", "head.bias")
BODY = ("conv.weight", "body.weight", "scale")
each = pytest.mark.parametrize("kind", KINDS)
around = pytest.mark.parametrize("inner", list(INNER))


def path(kind: str, named: Named, steps: range = range(4), **more: object) -> dict[str, Tensor]:
    """Where the parameters are after the steps."""
    train(made(kind, named, **more), named, steps)
    return values(named)


def unheld(
    inner: str = "adamw", steps: range = range(4), dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Where they are without a constraint."""
    named = parameters(dtype=dtype)
    train(INNER[inner](named.values()), named, steps)
    return values(named)


def assert_all_differ(found: dict[str, Tensor] | Named, other: dict[str, Tensor]) -> None:
    assert not any(torch.equal(tensor, other[name]) for name, tensor in found.items())


def only(found: Mapping[str, T], *names: str) -> dict[str, T]:
    return {name: found[name] for name in names}


def rows(tensor: Tensor) -> Tensor:
    """[R, N]; a tensor of one dimension or none is one row."""
    return tensor.flatten(1) if tensor.ndim > 1 else tensor.reshape(1, -1)


def load(named: Named, weights: dict[str, Tensor]) -> None:
    for name, tensor in weights.items():
        named[name].data.copy_(tensor)


VARIANTS = [
    *[(kind, {}) for kind in KINDS],
    ("ftp", {"exact": True}),
    ("ftp", {"foreach": False}),
    ("l2-sp", {"decoupled": True}),
    ("tpgm", {"norm": "l2", "every": 3}),
]
each_variant = pytest.mark.parametrize(
    ("kind", "more"), VARIANTS, ids=lambda v: v if isinstance(v, str) else " ".join(map(str, v.values()))
)


def through_a_file(state: dict[str, object]) -> dict[str, object]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)
