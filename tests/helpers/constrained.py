"""Loose parameters under each constraint, with gradients that depend on a name and a step alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from anchorline.constraints import FTP, L2SP, MARSSP, SPD, TPGM
from anchorline.constraints.base import Constrained

Named = dict[str, nn.Parameter]
CLASSES = {"ftp": FTP, "tpgm": TPGM, "spd": SPD, "l2-sp": L2SP, "mars-sp": MARSSP}
STRENGTHS = {"ftp": "k", "tpgm": "radius_lr", "spd": "strength", "l2-sp": "strength", "mars-sp": "strength"}
INNER = {
    "adamw": lambda params: AdamW(params, lr=1e-2, weight_decay=0.1),
    "sgd": lambda params: SGD(params, lr=3e-2, momentum=0.9, nesterov=True),
}
SHAPES = {
    "conv.weight": (4, 3, 3, 3),
    "body.weight": (6, 8),
    "head.weight": (6, 8),
    "head.bias": (6,),
    "scale": (),
}


def noise(name: str, step: int, like: Tensor) -> Tensor:
    rng = torch.Generator().manual_seed(crc32(f"{name} {step}".encode()))
    return torch.randn(like.shape, generator=rng, dtype=torch.float64).to(like.dtype)


def parameters(shapes: Mapping[str, tuple[int, ...]] = SHAPES, dtype: torch.dtype = torch.float64) -> Named:
    return {
        name: nn.Parameter(noise(name, -1, torch.empty(shape, dtype=dtype))) for name, shape in shapes.items()
    }


def validation(named: Mapping[str, Tensor]) -> Tensor:
    """A bowl around a point for each parameter: what TPGM is given as its validation loss."""
    return sum(
        ((p - p.detach().new_tensor(0.3) - noise(name, -2, p)) ** 2).sum() for name, p in named.items()
    )


def constrain(kind: str, inner: Optimizer, named: Named, **more: Any) -> Constrained:
    settings: dict[str, Any] = {}
    if kind == "tpgm":
        settings = {"validation": lambda: validation(named), "every": 2, "iterations": 2}
    elif kind != "ftp":
        settings = {"strength": 0.5}
    return CLASSES[kind](inner, named.items(), **settings | more)


def made(kind: str, named: Named, inner: str = "adamw", **more: Any) -> Constrained:
    trained = [parameter for parameter in named.values() if parameter.requires_grad]
    return constrain(kind, INNER[inner](trained), named, **more)


def give_gradients(named: Named, step: int, without: Iterable[str] = ()) -> None:
    for name, parameter in named.items():
        missing = name in without or not parameter.requires_grad
        parameter.grad = None if missing else noise(name, step, parameter)


def train(optimizer: Optimizer, named: Named, steps: Iterable[int], without: Iterable[str] = ()) -> None:
    for step in steps:
        give_gradients(named, step, without)
        optimizer.step()


def values(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in named.items()}


def assert_same_bits(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.dtype == expected[name].dtype
        assert torch.equal(tensor, expected[name]), name


def assert_near(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], share: float) -> None:
    """Within a share of each tensor's largest value."""
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        if tensor.numel():
            worst = (tensor - expected[name]).abs().max() / expected[name].abs().max()
            assert worst <= share, f"{name}: {worst:.1e}"


def anchor_of(optimizer: Constrained, parameter: Tensor) -> Tensor:
    """The copied anchor, as the state tells it."""
    order = [p for group in optimizer.param_groups for p in group["params"]]
    number = next(i for i, p in enumerate(order) if p is parameter)
    return optimizer.state_dict()["state"][number][f"{optimizer.label}.anchor"]
