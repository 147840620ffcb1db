"""The image program: a learned frame around (or over) every image (arXiv 2403.10800, equation 2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def canvas(images: Tensor, size: tuple[int, int], resize: tuple[int, int]) -> Tensor:
    """U: images [N, 3, H, W] in [0, 1], resized (bicubic, antialiased) to `resize`, in the middle of zeros.

    Heights and widths in pixels; the result is [N, 3, *size].
    """
    if images.shape[2:] != resize:
        images = F.interpolate(images, resize, mode="bicubic", antialias=True, align_corners=False)
        images = images.clamp(0, 1)  # bicubic weights overshoot, and pixels cannot
    left, top = (size[1] - resize[1]) // 2, (size[0] - resize[0]) // 2
    right, bottom = size[1] - resize[1] - left, size[0] - resize[0] - top
    return F.pad(images, (left, right, top, bottom))


def frame_mask(size: tuple[int, int], inner: tuple[int, int]) -> Tensor:
    """M: float32 [1, H, W], 0 in the middle `inner` pixels and 1 around them."""
    mask = torch.ones(1, *size)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    mask[:, top : top + inner[0], left : left + inner[1]] = 0
    return mask


def program(images: Tensor, frame: Tensor, mask: Tensor, resize: tuple[int, int]) -> Tensor:
    """clamp01(U(x) + tanh(W ⊙ M)): pixels [N, 3, h, w] in [0, 1] -> pixels [N, 3, H, W] in [0, 1].

    `frame` W is [3, H, W], `mask` M [1, H, W] (see `frame_mask`).
    """
    size = (mask.shape[1], mask.shape[2])
    return (canvas(images, size, resize) + torch.tanh(frame * mask)).clamp(0, 1)
