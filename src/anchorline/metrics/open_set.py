"""Deciding what belongs to no class: a threshold that keeps a chosen share of the images that do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Threshold:
    """Images that score `value` or more are kept.

    Attributes:
        value: the threshold; -inf keeps all.
        share: of in-distribution images, to be kept.
        n: images it was calibrated on.
    """

    value: float
    share: float
    n: int

    def __str__(self) -> str:
        if self.value > -math.inf:
            return (
                f"images that score {self.value:g} or more are kept: on average at least {self.share:.4g} "
                f"of the in-distribution images (split conformal, calibrated on {self.n} of val)"
            )
        least = math.ceil(round(self.share / (1 - self.share), 9)) if self.share < 1 else math.inf
        return (
            f"all images are kept: to keep {self.share:.4g} with a guarantee needs at least {least:,} images "
            f"of val to calibrate on, and there are {self.n}"
        )


class Decisions(NamedTuple):
    """What a threshold does to a set of images.

    Attributes:
        kept: share of the images kept.
        accuracy: share of right answers among the kept; NaN if none is, or the set has no labels.
    """

    kept: float
    accuracy: float


def conformal_threshold(scores: Tensor, share: float) -> Threshold:
    """The split-conformal threshold that keeps at least `share`, in (0, 1], of in-distribution images.

    `scores` [n], higher for more in-distribution, of images of val that neither trained the classifier nor
    chose the detector. The threshold is their k-th lowest, k = floor((n + 1) (1 - share)): the finite-sample
    quantile. If k is 0 it is -inf, and `str` of it says so.

    The guarantee: if val and a new image are exchangeable (as drawn from one distribution), the new image is
    kept with a chance of at least 1 - k / (n + 1) >= share, whatever the distribution and the score; and of
    at most share + 1 / (n + 1) if no scores are equal. It is marginal: over draws of val and the new image
    together, not for each val, each class or each image. It promises nothing under shift (Vovk, Gammerman &
    Shafer 2005; Angelopoulos & Bates, arXiv 2107.07511, section 1 and appendix D).
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share to keep is {share:g}; give one above 0, at most 1")
    n = len(scores)
    k = math.floor(round((n + 1) * (1 - share), 9))  # 10 * (1 - .9) is 0.9999999999999998
    value = float(scores.double().kthvalue(k).values) if k else -math.inf
    return Threshold(value, share, n)


def decisions(scores: Tensor, right: Tensor | None, threshold: Threshold) -> Decisions:
    """Share kept, and accuracy among the kept, of scores [N] and right bool [N] (None: no labels)."""
    kept = scores.double() >= threshold.value
    right_and_kept = torch.tensor(math.nan) if right is None else right[kept].double().mean()
    return Decisions(float(kept.double().mean()), float(right_and_kept))
