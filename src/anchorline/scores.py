"""The two scores that every table shows. Higher: more in-distribution. Imports torch only."""

from __future__ import annotations

from torch import Tensor


def msp(logits: Tensor) -> Tensor:
    """Maximum softmax probability [N] of logits [N, C] (Hendrycks & Gimpel 2017, arXiv 1610.02136)."""
    return logits.double().softmax(1).amax(1)  # float32 saturates at 1, and ties cost FPR95


def mcm(cosines: Tensor, temperature: float = 1.0) -> Tensor:
    """Maximum concept matching [N]: the largest softmax probability of the cosines [N, C] between an
    image and the class captions, at `temperature` (Ming et al. 2022, arXiv 2211.13445, equation 1)."""
    return (cosines.double() / temperature).softmax(1).amax(1)
