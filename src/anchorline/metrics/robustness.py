"""Robustness under shift, and what adaptation did to single images and classes.

Accuracies are shares in [0, 1]. `right`: whether each answer is right, bool [N].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CLIP = 1e-3  # accuracies are held this far from 0 and 1, where the logit is infinite


def relative_robustness(shift: float, untouched: float) -> float:
    """Accuracy under a shift less that of the untouched encoder under it, in points (Taori et al. 2020,
    arXiv 2007.00644, section 2: tau)."""
    return 100 * (shift - untouched)


@dataclass(frozen=True)
class ReferenceLine:
    """The accuracy under a shift that accuracy without it lets one expect: a line in logits of both.

    logit(shift) = intercept + slope * logit(id), logit(p) = log(p / (1 - p)), p held in [.001, .999]
    (Taori et al. 2020, arXiv 2007.00644, section 2; Miller et al. 2021, arXiv 2107.04649, take probits).
    """

    slope: float
    intercept: float

    @classmethod
    def fit(cls, points: Iterable[tuple[float, float]]) -> ReferenceLine:
        """Least squares through (id accuracy, shift accuracy) of reference models, which were trained with no
        robustness in mind. Raises `ValueError` unless at least two id accuracies differ."""
        x, y = _logit(np.array(list(points), dtype=np.float64).reshape(-1, 2)).T
        if len(np.unique(x)) < 2:
            raise ValueError("a reference line needs at least two points with different id accuracy")
        slope, intercept = np.polyfit(x, y, 1)
        return cls(float(slope), float(intercept))

    @classmethod
    def through(cls, id_accuracy: float, shift_accuracy: float) -> ReferenceLine:
        """The line of slope 1 through one model, the untouched encoder, where there are no reference models.

        A convention of ours: along it the odds of a right answer grow by the same factor with and without
        the shift. The untouched encoder itself has effective robustness 0.
        """
        x, y = _logit(np.array([id_accuracy, shift_accuracy]))
        return cls(1.0, float(y - x))

    def expected(self, id_accuracy: float) -> float:
        """Shift accuracy on the line."""
        return float(1 / (1 + np.exp(-self.intercept - self.slope * _logit(np.array(id_accuracy)))))

    def effective_robustness(self, id_accuracy: float, shift_accuracy: float) -> float:
        """Accuracy under the shift above the line, in points (Taori et al. 2020: rho)."""
        held = min(max(shift_accuracy, CLIP), 1 - CLIP)  # as accuracies are on the line
        return 100 * (held - self.expected(id_accuracy))


def _logit(share: NDArray[np.float64]) -> NDArray[np.float64]:
    held = share.clip(CLIP, 1 - CLIP)
    odds: NDArray[np.float64] = held / (1 - held)
    return np.log(odds)


class Worst(NamedTuple):
    """The class of a set with the lowest accuracy.

    Attributes:
        set: its name.
        label: the class number.
        accuracy: share of right answers.
        n: images of the class in the set.
    """

    set: str
    label: int
    accuracy: float
    n: int


def worst_class(right: Tensor, labels: Tensor, least: int = 1, name: str = "") -> Worst | None:
    """The least accurate class of at least `least` images, the first of equals; None if no class has so many.

    A minimum over classes falls with fewer images for no reason but chance, so ask for some.
    """
    counts = labels.bincount()
    hits = labels.bincount(weights=right.double())
    known = (counts >= max(least, 1)).nonzero().flatten()
    if not len(known):
        return None
    accuracies = hits[known] / counts[known]
    at = int(accuracies.argmin())
    return Worst(name, int(known[at]), float(accuracies[at]), int(counts[known[at]]))


def worst_group(sets: Mapping[str, tuple[Tensor, Tensor]], least: int = 1) -> Worst | None:
    """The least accurate pair (set, class) of at least `least` images over sets name -> (right, labels)."""
    found = (worst_class(right, labels, least, name) for name, (right, labels) in sets.items())
    return min((one for one in found if one), key=lambda one: one.accuracy, default=None)


def agreement(ours: Tensor, theirs: Tensor) -> float:
    """Share of images to which both give the same answer; class numbers [N]."""
    return _share(ours == theirs)


def negative_flips(right: Tensor, before: Tensor) -> float:
    """Share of all images whose answer was right before adaptation and is wrong now."""
    return _share(before & ~right)


def positive_flips(right: Tensor, before: Tensor) -> float:
    """Share of all images whose answer was wrong before adaptation and is right now."""
    return _share(right & ~before)


def _share(which: Tensor) -> float:
    return float(which.to(torch.float64).mean())
