"""Augmentation of drawings on the fly, a batch at a time, in plain tensor operations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MEAN = STD = 0.5  # pixels in [0, 1] become (x - MEAN) / STD
BADGES = 0.08  # share of drawings laid on a disc
PIXELATED = 0.2  # share turned to pixels
GRIDS = (16, 20, 24, 32)  # pixels a side


def paint(ink: Tensor, colour: Tensor, rng: torch.Generator) -> Tensor:
    """Draws coverage uint8 [A, 64, 64] and RGBA uint8 [B, 64, 64, 4] on paper: [A + B, 3, 64, 64] in [0, 1].

    Two thirds of the drawings in ink stay black on white; the others get inks and papers at random. Shapes
    are moved, turned, bent, thickened, hollowed out, filled, laid on a disc and turned to pixels, so that no
    one look is learnt.
    """
    drawn = [_ink(ink.float().unsqueeze(1) / 255, rng)] if len(ink) else []
    if len(colour):
        drawn.append(_colour(colour.permute(0, 3, 1, 2).float() / 255, rng))
    return torch.cat(drawn).clamp(0, 1)


def _ink(cover: Tensor, rng: torch.Generator) -> Tensor:
    n = len(cover)
    cover = _warp(cover, rng)
    chance = torch.rand(n, generator=rng)
    thick, hollow = chance < 0.12, (chance > 0.12) & (chance < 0.24)
    cover[thick] = F.max_pool2d(cover[thick], 3, 1, 1)
    cover[hollow] = (F.max_pool2d(cover[hollow], 3, 1, 1) + F.max_pool2d(-cover[hollow], 3, 1, 1)).clamp(0, 1)
    cover = _pixelate(cover, rng)
    badge = torch.rand(n, generator=rng) < BADGES
    cover[badge] = _shrink(cover[badge])
    # Paper and ink: black on white, white on black, or two colours with contrast.
    kind = torch.rand(n, 1, 1, 1, generator=rng)
    kind[badge] = 1.0  # always in colours
    paper, ink = torch.rand(n, 3, 1, 1, generator=rng), torch.rand(n, 3, 1, 1, generator=rng)
    far = (paper.mean(1, keepdim=True) > 0.5).float()
    paper, ink = 0.5 * paper + 0.5 * far, 0.6 * ink + 0.4 * (1 - far)
    paper = torch.where(kind < 0.65, 1.0, torch.where(kind < 0.75, 0.0, paper))
    ink = torch.where(kind < 0.65, 0.0, torch.where(kind < 0.75, 1.0, ink))
    filled = (torch.rand(n, 1, 1, 1, generator=rng) < 0.25) * _enclosed(cover)
    fill = torch.where(torch.rand(n, 1, 1, 1, generator=rng) < 0.4, 0.75 * paper + 0.25 * ink,
                       torch.rand(n, 3, 1, 1, generator=rng))  # fmt: skip
    ground = torch.lerp(_sheet(paper, badge), fill, filled)
    return ground + (ink - ground) * cover


def _enclosed(cover: Tensor) -> Tensor:
    """1 where ink lies on all four sides of a pixel: what a flat fill between the outlines would cover."""
    drawn = (cover > 0.3).float()
    inside = torch.ones_like(drawn)
    for side in (2, 3):
        before = drawn.cumsum(side)
        after = before.narrow(side, -1, 1) - before + drawn
        inside *= (before > 0) & (after > 0)
    return inside


def _colour(rgba: Tensor, rng: torch.Generator) -> Tensor:
    n = len(rgba)
    rgba = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], 1)  # premultiplied, so that edges stay clean
    rgba = _pixelate(_warp(rgba, rng), rng)
    badge = torch.rand(n, generator=rng) < BADGES
    rgba[badge] = _shrink(rgba[badge])
    paper = torch.rand(n, 3, 1, 1, generator=rng)
    white = torch.rand(n, 1, 1, 1, generator=rng) < 0.75
    white[badge] = False
    paper = _sheet(torch.where(white, 1.0, paper), badge)
    rgb = rgba[:, :3] + paper * (1 - rgba[:, 3:])
    grey = rgb.mean(1, keepdim=True)
    strength = torch.rand(n, 1, 1, 1, generator=rng) * 1.4  # 0: grey, 1: as drawn
    return torch.where(
        torch.rand(n, 1, 1, 1, generator=rng) < 0.4, grey + strength * (rgb - grey), rgb
    ).clamp(0, 1)


def _warp(x: Tensor, rng: torch.Generator) -> Tensor:
    """Mirror, turn (to 12 degrees), scale (0.75 to 1.15), shift (to 10 %) and bend."""
    n = len(x)
    u = torch.rand(n, 6, generator=rng) * 2 - 1
    turn = u[:, 0] * 0.21
    scale = 1 / (0.95 + 0.2 * u[:, 1])
    mirror = torch.where(u[:, 2] > 0, 1.0, -1.0)
    aspect = 1 + 0.12 * u[:, 3]
    rows = torch.stack(
        [scale * turn.cos() * mirror, -scale * turn.sin(), 0.1 * u[:, 4],
         scale * aspect * turn.sin() * mirror, scale * aspect * turn.cos(), 0.1 * u[:, 5]], 1
    ).view(n, 2, 3)  # fmt: skip
    grid = F.affine_grid(rows, [n, 1, *x.shape[2:]], align_corners=False)
    bend = torch.randn(n, 2, 7, 7, generator=rng) * 0.03
    bend *= (torch.rand(n, 1, 1, 1, generator=rng) < 0.35).float()
    bend = F.interpolate(bend, size=x.shape[2:], mode="bilinear", align_corners=True)
    return F.grid_sample(x, grid + bend.permute(0, 2, 3, 1), align_corners=False)


def _shrink(x: Tensor) -> Tensor:
    """The drawing at 0.6 of its size, in the middle."""
    side = x.shape[-1]
    small = F.interpolate(x, size=round(0.6 * side), mode="area")
    before = (side - small.shape[-1]) // 2
    after = side - small.shape[-1] - before
    return F.pad(small, (before, after, before, after))


def _sheet(paper: Tensor, badge: Tensor) -> Tensor:
    """Paper of one colour, [N, 3, 1, 1] -> [N, 3, 64, 64]; for badges a disc of it on white."""
    y = torch.linspace(-1, 1, 64)
    disc = ((0.97 - (y[:, None] ** 2 + y[None, :] ** 2).sqrt()) * 32 + 0.5).clamp(0, 1)
    return torch.where(badge.view(-1, 1, 1, 1), 1 + (paper - 1) * disc, paper)


def _pixelate(x: Tensor, rng: torch.Generator) -> Tensor:
    chosen = torch.rand(len(x), generator=rng) < PIXELATED
    grid = GRIDS[int(torch.randint(len(GRIDS), (1,), generator=rng))]
    coarse = F.adaptive_avg_pool2d(x[chosen], grid)
    if x.shape[1] == 1:
        coarse = (coarse > 0.4).float()
    x = x.clone()
    x[chosen] = F.interpolate(coarse, size=x.shape[2:], mode="nearest")
    return x
