"""Answering only when sure: the risk among the images answered, against how many are answered.

Images of equal confidence share their errors evenly: what a random order of them gives on average.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class RiskCoverage(NamedTuple):
    """The risk-coverage curve of N images, the most confident first.

    Attributes:
        coverage: share of the images answered [N]: 1/N, 2/N, ..., 1.
        risk: share of wrong answers among these [N].
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]


def risk_coverage(confidence: Tensor, right: Tensor) -> RiskCoverage:
    """The curve of confidence [N], any real numbers, and right, bool [N] (El-Yaniv & Wiener 2010)."""
    values, order = confidence.double().sort(descending=True)
    falling = values.numpy()
    wrong = (~right.bool())[order].double().numpy()
    n = len(falling)
    ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True)) + 1
    answered = np.arange(1, n + 1)
    errors = np.interp(answered, np.append(0, ends), np.append(0, wrong.cumsum()[ends - 1]))
    return RiskCoverage(answered / n, errors / answered)


def aurc(confidence: Tensor, right: Tensor) -> float:
    """Area under the risk-coverage curve, the mean risk over all N coverages, in [0, 1]; lower is better
    (Geifman, Uziel & El-Yaniv 2019, arXiv 1805.08206, equation 2)."""
    return float(risk_coverage(confidence, right).risk.mean())
