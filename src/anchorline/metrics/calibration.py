"""Whether confidence can be believed: calibration error, likelihood, Brier score, temperature scaling.

Logits [N, C] may be -inf for classes that do not compete; labels [N] are int64 class numbers that do.
torchmetrics (1.9) has calibration error for bins of equal width only, and no Brier score of many classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

TEMPERATURES = (0.05, 20.0)  # that `fit_temperature` may return
_ROWS = 4096  # images in work at once


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability diagram: one entry a bin, lowest confidence first.

    Attributes:
        confidence: mean confidence [B].
        accuracy: share of right answers [B].
        count: images [B].
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]


def reliability(confidence: Tensor, right: Tensor, bins: int = 15) -> Reliability:
    """Confidence against accuracy in bins that hold equally many images (adaptive bins: Nguyen &
    O'Connor 2015, arXiv 1508.05154).

    Equal confidences share a bin, so that the order of the images does not matter; there may be fewer than
    `bins` bins for it. Confidence [N] in [0, 1], right bool [N], N > 0.
    """
    order = confidence.double().argsort().numpy()
    values, hits = confidence.double().numpy()[order], right.double().numpy()[order]
    n = len(values)
    # Each of the even cuts moves up to the end of its run of equal confidences.
    cuts = values[-(-np.arange(1, bins + 1) * n // bins) - 1]
    ends = np.unique(np.searchsorted(values, cuts, side="right"))
    count = np.diff(ends, prepend=0)
    starts = ends - count
    return Reliability(np.add.reduceat(values, starts) / count, np.add.reduceat(hits, starts) / count, count)


def expected_calibration_error(confidence: Tensor, right: Tensor, bins: int = 15) -> float:
    """Mean distance of confidence and accuracy in [0, 1], over the bins of `reliability`, weighted by images
    (ECE of the answer given: Guo et al. 2017, arXiv 1706.04599, equation 3; with adaptive bins)."""
    found = reliability(confidence, right, bins)
    return float(np.average(np.abs(found.confidence - found.accuracy), weights=found.count))


def negative_log_likelihood(logits: Tensor, labels: Tensor, temperature: float = 1.0) -> float:
    """Mean of -log p(label), in nats, of softmax(logits / temperature)."""
    total = 0.0
    for z, y in _blocks(logits, labels):
        total += float(F.cross_entropy(z.double() / temperature, y, reduction="sum"))
    return total / len(labels)


def brier(logits: Tensor, labels: Tensor, temperature: float = 1.0) -> float:
    """Mean squared distance of softmax(logits / temperature) from the truth, summed over the classes, in
    [0, 2] (Brier 1950; of two classes it is twice the score that is usual for one probability)."""
    total = 0.0
    for z, y in _blocks(logits, labels):
        p = (z.double() / temperature).softmax(1)
        truth = p.gather(1, y[:, None])
        total += float(p.square().sum() - 2 * truth.sum()) + len(y)
    return total / len(labels)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T that makes softmax(logits / T) most likely: `TEMPERATURES`' bounds or between.

    Fit it on val (Guo et al. 2017, arXiv 1706.04599, section 4.2). In 1/T the log likelihood is concave, so
    that a bisection of the sign of its slope finds the one maximum. Where every answer on val is right there
    is none: ever lower T is ever likelier, and the lower bound is returned; such a val cannot tell how sure
    to be. So it is with the upper bound where the logits are worse than a guess. A result on a bound is to
    be read as "not found".
    """

    def slope(temperature: float) -> float:
        """Of the negative log likelihood in 1/T: mean logit under the softmax, less that of the label."""
        total = 0.0
        for z, y in _blocks(logits, labels):
            z = z.double() - z.double().amax(1, keepdim=True)
            # Where the logit is -inf the probability is 0, and their product would be NaN.
            expected = (z / temperature).softmax(1) * z.masked_fill(z.isneginf(), 0)
            total += float(expected.sum() - z.gather(1, y[:, None]).sum())
        return total

    low, high = TEMPERATURES
    if slope(low) <= 0:  # even here, more of 1/T would be likelier
        return low
    if slope(high) >= 0:
        return high
    for _ in range(30):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return math.sqrt(low * high)


def _blocks(logits: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Some rows at a time, so that doubles of all logits are never held."""
    for start in range(0, len(labels), _ROWS):
        yield logits[start : start + _ROWS], labels[start : start + _ROWS]
