"""What the web does to pictures after they are drawn: borders around them, noise, blur, JPEG, other light."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.io import decode_jpeg, encode_jpeg
from torchvision.transforms.functional import gaussian_blur

FRAMED = 0.45  # share of pictures with a border
OVERLAID = 0.25  # share of those whose margin is covered; the others are shrunk onto a ground
OFF_CENTRE = 1 / 3  # share of the shrunk ones
SMALLEST = 32  # pixels of 64 that a shrunk picture keeps
MARGIN = 10  # pixels a side that a margin covers at most
NOISY = BLURRED = COMPRESSED = RELIT = 0.1  # shares, drawn one by one


def disturb(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Pixels in [0, 1], float [N, 3, 64, 64], as they might be met: the same shape and range."""
    pictures = _relight(pictures, rng)
    pictures = _frame(pictures, rng)
    return _wear(pictures, rng).clamp(0, 1)


def _some(share: float, n: int, rng: torch.Generator) -> Tensor:
    return (torch.rand(n, generator=rng) < share).nonzero().flatten()


def _grounds(n: int, side: int, rng: torch.Generator) -> Tensor:
    """A fifth each: black, a grey, a colour, noise, and coarse random fields; [n, 3, side, side]."""
    flat = torch.rand(n, 3, 1, 1, generator=rng).expand(-1, -1, side, side)
    grey = flat[:, :1].expand(-1, 3, -1, -1)
    noise = torch.rand(n, 3, side, side, generator=rng)
    coarse = torch.rand(n, 3, 5, 5, generator=rng)
    coarse = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=True).clamp(0, 1)
    kinds = torch.stack([torch.zeros_like(noise), grey, flat, noise, coarse])
    return kinds[torch.randint(len(kinds), (n,), generator=rng), torch.arange(n)]


def _frame(pictures: Tensor, rng: torch.Generator) -> Tensor:
    side = pictures.shape[-1]
    chosen = _some(FRAMED, len(pictures), rng)
    framed = _grounds(len(chosen), side, rng)
    covered = torch.rand(len(chosen), generator=rng) < OVERLAID
    # A few sizes a batch, because pictures of one size are shrunk together.
    sizes = torch.randint(SMALLEST, side, (6,), generator=rng).tolist()
    of = torch.randint(len(sizes), (len(chosen),), generator=rng)
    off_centre = torch.rand(len(chosen), generator=rng) < OFF_CENTRE
    for number, size in enumerate(sizes):
        for moved in (False, True):
            which = ((of == number) & ~covered & (off_centre == moved)).nonzero().flatten()
            room = side - size
            top = left = room // 2
            if moved:
                top, left = torch.randint(room + 1, (2,), generator=rng).tolist()
            small = F.interpolate(pictures[chosen[which]], size=(size, size), mode="bilinear", antialias=True)
            framed[which, :, top : top + size, left : left + size] = small
    widths = torch.randint(1, MARGIN + 1, (len(chosen),), generator=rng)
    line = torch.arange(side)
    edge = torch.minimum(line, side - 1 - line)
    inside = torch.minimum(edge[:, None], edge[None, :])[None] >= widths[:, None, None]
    kept = (covered[:, None, None] & inside)[:, None]
    framed = torch.where(kept, pictures[chosen], framed)
    pictures = pictures.clone()
    pictures[chosen] = framed
    return pictures


def _relight(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Contrast by .4 to 1.2 about a grey, brightness by up to .2."""
    which = _some(RELIT, len(pictures), rng)
    u = torch.rand(3, len(which), 1, 1, 1, generator=rng)
    pictures = pictures.clone()
    pictures[which] = ((pictures[which] - u[0]) * (0.4 + 0.8 * u[1]) + u[0] + 0.4 * (u[2] - 0.5)).clamp(0, 1)
    return pictures


def _wear(pictures: Tensor, rng: torch.Generator) -> Tensor:
    pictures = pictures.clone()
    n = len(pictures)
    blurred = _some(BLURRED, n, rng)
    sigma = 0.4 + 1.2 * float(torch.rand(1, generator=rng))  # one a batch
    pictures[blurred] = gaussian_blur(pictures[blurred], [7, 7], [sigma, sigma])
    noisy = _some(NOISY, n, rng)
    strength = 0.25 * torch.rand(len(noisy), 1, 1, 1, generator=rng)
    noise = torch.randn(len(noisy), *pictures.shape[1:], generator=rng)
    dots = torch.rand(len(noisy), 1, *pictures.shape[2:], generator=rng) < 0.5 * strength
    salt = torch.rand(len(noisy), 1, 1, 1, generator=rng) < 0.3  # dots of black and white instead
    speckled = torch.where(dots, (noise[:, :1] > 0).float(), pictures[noisy])
    pictures[noisy] = torch.where(salt, speckled, pictures[noisy] + strength * noise).clamp(0, 1)
    for i in _some(COMPRESSED, n, rng).tolist():
        quality = int(torch.randint(15, 80, (1,), generator=rng))
        bytes_ = encode_jpeg((pictures[i] * 255).round().to(torch.uint8), quality)
        pictures[i] = decode_jpeg(bytes_).float() / 255
    return pictures
