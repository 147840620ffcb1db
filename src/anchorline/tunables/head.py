"""A linear head on frozen features: multinomial logistic regression (arXiv 2103.00020, appendix A.3)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from anchorline.tunables.base import Fitted, Head, Problem

_ITERATIONS = 1000


def fit(problem: Problem) -> Fitted:
    """The strength of the L2 penalty is the one with the best val accuracy; ties go to the lower
    val cross-entropy, then to the stronger penalty."""
    features = problem.train.features.double().numpy()
    labels = problem.train.labels.numpy()
    model = LogisticRegression(max_iter=_ITERATIONS, warm_start=True)
    # For two classes scikit-learn fits one row w that stands for ±w/2, whose penalty is half of w's.
    rows = 2 if len(problem.captions) == 2 else 1
    best: tuple[float, float] | None = None
    fitted = Fitted()
    for l2 in sorted(problem.method.l2, reverse=True):  # warm start: strong to weak
        model.set_params(C=rows / (l2 * len(labels)))
        with warnings.catch_warnings():
            # A fit cut off at the weak end is still a candidate, and val judges it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, labels)
        candidate = _both_rows(model)
        logits = candidate(problem.val.features)
        accuracy = float((logits.argmax(1) == problem.val.labels).float().mean())
        score = (accuracy, -float(F.cross_entropy(logits, problem.val.labels)))
        if best is None or score > best:
            best = score
            fitted = Fitted(
                tuned={"head.weight": candidate.weight, "head.bias": candidate.bias},
                chosen={"l2": l2},
            )
    return fitted


def _both_rows(model: LogisticRegression) -> Head:
    """scikit-learn gives one row for two classes: the second against the first."""
    weight, bias = np.asarray(model.coef_), np.asarray(model.intercept_)
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    # scikit-learn's order is Fortran's; in ours, as on disk, a saved head gives the same bits.
    return Head(torch.from_numpy(weight).float().contiguous(), torch.from_numpy(bias).float())


def head(captions: Tensor, logit_scale: float, tuned: Mapping[str, Tensor]) -> Head:
    return Head(weight=tuned["head.weight"], bias=tuned["head.bias"])
