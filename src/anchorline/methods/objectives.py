"""Losses on (logits, labels). Imports torch only: each can be lifted out and used alone.

Logits [N, C] are scaled similarities of N images and C class captions. A contrastive loss over N
image-caption pairs needs no more: the caption of image j is that of its class, so the similarity of image i
and caption j is logits[i, labels[j]].
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor


@runtime_checkable
class Objective(Protocol):
    """A loss: a frozen dataclass, whose fields are the choices; calling it gives the mean loss of a batch."""

    @property
    @abstractmethod
    def name(self) -> str:
        """For the table of methods."""

    @abstractmethod
    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits [N, C], labels int64 [N] -> a number."""


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """Softmax cross-entropy over all classes.

    Attributes:
        smoothing: share of the target that is spread over all classes (arXiv 1512.00567, section 7).
    """

    smoothing: float = 0.0

    name = "cross-entropy"

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self.smoothing)


@dataclass(frozen=True)
class Contrastive(Objective):
    """Image-caption contrastive loss, ½ [F(S) + F(Sᵀ)] with S the pairs' similarities [N, N].

    F is cross-entropy -log p or, with `focal`, the focal loss -α (1 - p)^γ log p, p the softmax probability
    of the right partner (arXiv 2103.00020, figure 3; arXiv 2403.10800, section 3; arXiv 1708.02002).

    Attributes:
        focal: weigh pairs by how wrong they are.
        alpha, gamma: α and γ of the focal loss.
        duplicates: what two images of one class in a batch are to each other's captions, which read
            the same: "positives" (p is the mass on all of them) or, as in the released code, "negatives".
    """

    focal: bool = False
    alpha: float = 0.8
    gamma: float = 4.0
    duplicates: Literal["positives", "negatives"] = "positives"

    @property
    def name(self) -> str:
        return "focal contrastive" if self.focal else "contrastive"

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        pairs = logits[:, labels]
        if self.duplicates == "positives":
            partners = labels[:, None] == labels[None, :]
        else:
            partners = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        return (self._one_way(pairs, partners) + self._one_way(pairs.T, partners)) / 2

    def _one_way(self, pairs: Tensor, partners: Tensor) -> Tensor:
        log_p = pairs.masked_fill(~partners, -torch.inf).logsumexp(1) - pairs.logsumexp(1)
        if not self.focal:
            return -log_p.mean()
        # Where p rounds to 1 the power's gradient must stay finite for γ < 1.
        wrong = -torch.expm1(log_p.clamp(max=-1e-7))
        return -(self.alpha * wrong**self.gamma * log_p).mean()


choices = {  # after --set objective=
    "cross-entropy": CrossEntropy(),
    "contrastive": Contrastive(),
    "focal-contrastive": Contrastive(focal=True),
}
