"""Around an error of oneDNN: a gradient that writes beyond its buffer."""

from __future__ import annotations

from typing import Any

from torch import Tensor, is_grad_enabled, nn

_FEW = 16  # channels; with so many and more nothing was seen


def guard_strided(model: nn.Module) -> None:
    """Convolutions of one pixel and a stride get few-channelled images in torch's own order while gradients
    are followed on a CPU: those of their weights in channels-last order damage memory (torch 2.14, seen in
    the stem of MobileCLIP's towers, with 3 channels in and 16 or 128 out)."""
    for module in model.modules():
        if (
            isinstance(module, nn.Conv2d)
            and set(module.kernel_size) == {1}
            and max(module.stride) > 1
            and module.in_channels < _FEW
        ):
            module.register_forward_pre_hook(_plain)


def _plain(_module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Tensor, ...] | None:
    images = arguments[0]
    return (images.contiguous(),) if is_grad_enabled() and images.device.type == "cpu" else None
