"""Softmax probabilities that round neither to 0 nor to 1. Imports torch only."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus


def log_probabilities(logits: Tensor) -> tuple[Tensor, Tensor]:
    """ln p and ln(1 - p), float64 [N, C], of the softmax probabilities p of logits [N, C], the largest first.

    1 - 1e-20 is 1 even in float64, and CLIP's logits come to that: so both follow from the logarithm of what
    the other classes have together for each 1 of the largest.
    """
    ordered = logits.double().sort(dim=1, descending=True).values
    above = ordered - ordered[:, :1]
    others = above[:, 1:].logsumexp(1, keepdim=True)
    total = softplus(others)  # ln Σ exp(z_i - z_1) over all i
    log_p = above - total
    return log_p, torch.cat([others - total, torch.log1p(-log_p[:, 1:].exp())], 1)
