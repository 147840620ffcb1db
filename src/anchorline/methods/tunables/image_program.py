"""The image program: a learned frame around (or over) every image (arXiv 2403.10800, equation 2)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Ground = Literal["black", "grey", "mean", "edge"]
Squash = Literal["tanh", "sigmoid", "none"]
Clamp = Literal["hard", "straight-through"]


def canvas(
    images: Tensor, size: tuple[int, int], resize: tuple[int, int], colour: Tensor | None = None
) -> Tensor:
    """U: images [N, 3, H, W] in [0, 1], resized (bicubic, antialiased) to `resize`, in the middle of one
    colour [3, 1, 1], or of their own edge continued where that is None.

    Heights and widths in pixels; the result is [N, 3, *size].
    """
    if images.shape[2:] != resize:
        images = F.interpolate(images, resize, mode="bicubic", antialias=True, align_corners=False)
        images = images.clamp(0, 1)  # bicubic weights overshoot, and pixels cannot
    left, top = (size[1] - resize[1]) // 2, (size[0] - resize[0]) // 2
    right, bottom = size[1] - resize[1] - left, size[0] - resize[0] - top
    sides = (left, right, top, bottom)
    if not any(sides):
        return images
    if colour is None:
        return F.pad(images, sides, mode="replicate")
    return F.pad(images - colour, sides) + colour


def scaled(images: Tensor, scale: Tensor, colour: Tensor | None) -> Tensor:
    """U of a size that can be learnt: images [N, 3, H, W] at `scale` of their size in the middle of a canvas
    as large, bilinearly; the scale has gradients (AutoVP, arXiv 2310.08381, section 3.1)."""
    theta = torch.eye(2, 3, device=images.device, dtype=images.dtype) / scale
    grid = F.affine_grid(theta.expand(len(images), -1, -1), list(images.shape), align_corners=False)
    if colour is None:
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return F.grid_sample(images - colour, grid, align_corners=False) + colour


def frame_mask(size: tuple[int, int], inner: tuple[int, int]) -> Tensor:
    """M: float32 [1, H, W], 0 in the middle `inner` pixels and 1 around them."""
    mask = torch.ones(1, *size)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    mask[:, top : top + inner[0], left : left + inner[1]] = 0
    return mask


def clamp(pixels: Tensor, kind: Clamp = "hard") -> Tensor:
    """Pixels into [0, 1], with a gradient of 1 where they lie in it, its bounds included.

    Outside it is 0 ("hard", as released), or 1 ("straight-through"), so that pixels can come back. It is
    written out since the gradient of `Tensor.clamp` at the bounds is 1 up to torch 2.13, and 0 from then on.
    """
    bounded = pixels.detach().clamp(0, 1)
    if kind == "straight-through":
        bounded = bounded + (pixels - pixels.detach())
    return torch.where((pixels >= 0) & (pixels <= 1), pixels, bounded)


def perturbation(frame: Tensor, mask: Tensor, squash: Squash) -> Tensor:
    """What is added to the canvas: tanh(W ⊙ M), σ(W) ⊙ M (ILM-VP, arXiv 2211.11635) or W ⊙ M; [3, H, W]."""
    if squash == "sigmoid":
        return torch.sigmoid(frame) * mask
    return torch.tanh(frame * mask) if squash == "tanh" else frame * mask
