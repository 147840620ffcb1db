"""Multinomial logistic regression on features, strength chosen on val (arXiv 2103.00020, appendix A.3)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from anchorline.methods.selection import val_score

_ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class LinearHead:
    """logits = features @ weight.T + bias; weight [C, D], bias [C], and the strength that was chosen."""

    weight: Tensor
    bias: Tensor
    l2: float

    def __call__(self, features: Tensor) -> Tensor:
        return features @ self.weight.T + self.bias


def fit_head(
    features: Tensor, labels: Tensor, val_features: Tensor, val_labels: Tensor, strengths: Sequence[float]
) -> LinearHead:
    """Fit by L-BFGS under the penalty ½·l2·‖W‖² per training image, for each l2 of `strengths`.

    Features [N, D] and [M, D], labels int64 [N] and [M]. The strength is the one with the best val
    accuracy; ties go to the lower val cross-entropy, then to the stronger penalty.
    """
    model = LogisticRegression(max_iter=_ITERATIONS, warm_start=True)
    # For two classes scikit-learn fits one row w that stands for ±w/2, whose penalty is half of w's.
    rows = 2 if int(labels.max()) == 1 else 1
    candidates = []
    for l2 in sorted(strengths, reverse=True):  # warm start: strong to weak
        model.set_params(C=rows / (l2 * len(labels)))
        with warnings.catch_warnings():
            # A fit cut off at the weak end is still a candidate, and val judges it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features.double().numpy(), labels.numpy())
        candidates.append(_both_rows(model, l2))

    return max(candidates, key=lambda head: val_score(head(val_features), val_labels))


def _both_rows(model: LogisticRegression, l2: float) -> LinearHead:
    """scikit-learn gives one row for two classes: the second against the first."""
    weight, bias = np.asarray(model.coef_), np.asarray(model.intercept_)
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    # scikit-learn's order is Fortran's; in ours, as on disk, a saved head gives the same bits.
    return LinearHead(torch.from_numpy(weight).float().contiguous(), torch.from_numpy(bias).float(), l2)
