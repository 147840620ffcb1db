"""What val chooses by."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

Merit = tuple[float, float]
NONE: Merit = (-1.0, float("-inf"))  # below all others


def merit(logits: Tensor, labels: Tensor) -> Merit:
    """Accuracy in [0, 1] and, for ties, minus the cross-entropy, of logits [N, C] and labels int64 [N]."""
    accuracy = float((logits.argmax(1) == labels).float().mean())
    return accuracy, -float(F.cross_entropy(logits, labels))
