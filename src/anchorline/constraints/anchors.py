"""Where the weights are held to: which parameters have an anchor, and which tensor it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Anchor = Mapping[str, Tensor] | str | Path | None
_WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")


@dataclass(eq=False)
class Held:
    """One parameter that is held to its anchor.

    Attributes:
        name: without the prefixes of data parallelism and compilation.
        parameter: what is trained.
        anchor: of its shape, on any device, in any floating dtype; None: zeros.
        copied: whether the anchor is a copy of the parameter's first value, made here.
        group: number of the optimizer's parameter group, which has the strengths.
    """

    name: str
    parameter: Tensor
    anchor: Tensor | None
    copied: bool
    group: int

    def follow(self, asked: torch.device | str | None) -> None:
        """A copy goes where the model has been moved since, unless a place was asked for."""
        if self.copied and asked is None and self.anchor is not None:
            self.anchor = self.anchor.to(self.parameter.device)


def plain_name(name: str) -> str:
    """The parameter's name without the parts that wrappers add ("module.0.weight" -> "0.weight")."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def names_of(named_parameters: Iterable[tuple[str, Tensor]]) -> dict[int, str]:
    """id of a parameter -> its plain name; the first one, where several share it."""
    found: dict[int, str] = {}
    for name, parameter in named_parameters:
        found.setdefault(id(parameter), plain_name(name))
    return found


def matching(names: Iterable[str], patterns: Sequence[str]) -> set[str]:
    return {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}


def excluded(names: Iterable[str], patterns: Sequence[str]) -> set[str]:
    """Names that match a pattern. Raises ValueError for a pattern that matches none."""
    if isinstance(patterns, str):
        raise ValueError(
            f"exclude must be a list of patterns, not the text {patterns!r}; write [{patterns!r}]"
        )
    names = list(names)
    for pattern in patterns:
        if not matching(names, [pattern]):
            raise ValueError(
                f"the pattern {pattern!r} in exclude matches no parameter; they are called "
                f"{', '.join(names[:4])} …"
            )
    return matching(names, patterns)


def read_anchor(anchor: Anchor) -> Mapping[str, Tensor] | None:
    """A mapping by plain names; a file of safetensors stays on the disk and is mapped into memory."""
    if isinstance(anchor, (str, Path)):
        from safetensors.torch import load_file

        anchor = load_file(anchor)
    if anchor is None:
        return None
    return {plain_name(name): tensor for name, tensor in anchor.items()}


def held(
    group: dict[str, Any],
    number: int,
    names: Mapping[int, str],
    leave_out: set[str],
    given: Mapping[str, Tensor] | None,
    dtype: torch.dtype | None,
    device: torch.device | str | None,
) -> list[Held]:
    """The parameters of a group that are held, each with its anchor. Raises ValueError for what cannot be."""
    kind = group.get("anchor", "")
    if kind not in ("", "zero", None):
        raise ValueError(f'a group\'s anchor is None (not held) or "zero", not {kind!r}')
    found = []
    for parameter in group["params"]:
        if id(parameter) not in names:
            raise ValueError(
                f"the optimizer has a parameter of shape {tuple(parameter.shape)} that "
                "named_parameters lacks; give the named_parameters() of the whole model"
            )
        name = names[id(parameter)]
        if kind is None or name in leave_out:
            continue
        if parameter.is_complex():
            raise ValueError(f"{name} is complex, which has no row norm here; exclude it")
        anchor = None if kind == "zero" else _anchor_of(name, parameter, given, dtype, device)
        copied = kind != "zero" and given is None
        found.append(Held(name, parameter, anchor, copied, number))
    return found


def _anchor_of(
    name: str,
    parameter: Tensor,
    given: Mapping[str, Tensor] | None,
    dtype: torch.dtype | None,
    device: torch.device | str | None,
) -> Tensor:
    if given is None:
        return parameter.detach().to(device=device, dtype=dtype, copy=True)
    if name not in given:
        raise ValueError(
            f"the anchor has no tensor for {name}; exclude it, or put it into a group with anchor=None"
        )
    anchor = given[name].detach()
    if anchor.numel() and not hasattr(anchor, "device_mesh") and anchor.data_ptr() == parameter.data_ptr():
        raise ValueError(
            f"the anchor of {name} is the parameter itself and would move with it; give copies, or leave "
            "anchor out"
        )
    if anchor.shape != parameter.shape:
        raise ValueError(
            f"the anchor of {name} has shape {tuple(anchor.shape)}, not {tuple(parameter.shape)}"
        )
    return _sharded_like(parameter, anchor)


def _sharded_like(parameter: Tensor, anchor: Tensor) -> Tensor:
    """A whole anchor cut as FSDP2 has cut the parameter."""
    if not hasattr(parameter, "device_mesh") or hasattr(anchor, "device_mesh"):
        return anchor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(parameter, DTensor)
    return distribute_tensor(anchor, parameter.device_mesh, parameter.placements)
