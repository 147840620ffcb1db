"""The two scores that every table shows. Higher: more in-distribution. Imports torch only."""

from __future__ import annotations

import torch
from torch import Tensor

_ROWS = 4096  # images in work at once


def msp(logits: Tensor) -> Tensor:
    """Maximum softmax probability [N] of logits [N, C] (Hendrycks & Gimpel 2017, arXiv 1610.02136)."""
    # float32 saturates at 1, and ties cost FPR95; but doubles of all rows at once would take gigabytes.
    return torch.cat([part.double().softmax(1).amax(1) for part in torch.split(logits, _ROWS)])


def mcm(cosines: Tensor, temperature: float = 1.0) -> Tensor:
    """Maximum concept matching [N]: the largest softmax probability of the cosines [N, C] between an
    image and the class captions, at `temperature` (Ming et al. 2022, arXiv 2211.13445, equation 1)."""
    return torch.cat(
        [(part.double() / temperature).softmax(1).amax(1) for part in torch.split(cosines, _ROWS)]
    )
