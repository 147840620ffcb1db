"""Out-of-distribution scores and how well they tell two sets apart. Higher: more in-distribution.

Imports torch and scikit-learn only; arrays in, numbers out.
"""

from __future__ import annotations

import math

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor


def msp(logits: Tensor) -> Tensor:
    """Maximum softmax probability [N] of logits [N, C] (Hendrycks & Gimpel 2017, arXiv 1610.02136)."""
    return logits.double().softmax(1).amax(1)  # float32 saturates at 1, and ties cost FPR95


def mcm(cosines: Tensor, temperature: float = 1.0) -> Tensor:
    """Maximum concept matching [N]: the largest softmax probability of the cosines [N, C] between an
    image and the class captions, at `temperature` (Ming et al. 2022, arXiv 2211.13445, equation 1)."""
    return (cosines.double() / temperature).softmax(1).amax(1)


def auroc(inside: Tensor, outside: Tensor) -> float:
    """Area under the ROC curve in [0, 1]: the chance that an in-distribution image scores higher
    than an outlier, ties counting half. Scores [N] and [M]."""
    truth = torch.cat([torch.ones(len(inside)), torch.zeros(len(outside))])
    return float(roc_auc_score(truth.numpy(), torch.cat([inside, outside]).double().numpy()))


def fpr_at_95_tpr(inside: Tensor, outside: Tensor) -> float:
    """False positive rate in [0, 1] at 95 % true positives, in-distribution positive.

    The share of outliers at or above the highest threshold that keeps at least 95 % of the
    in-distribution scores: the convention of the MCM and Reprogrammer papers. For the other one
    (outliers positive: OpenOOD, pytorch-ood) call with negated scores, sets exchanged.
    """
    kept = math.ceil(0.95 * len(inside))
    threshold = inside.sort(descending=True).values[kept - 1]
    return float((outside >= threshold).double().mean())


def fpr_outlier_positive(inside: Tensor, outside: Tensor) -> float:
    """False positive rate in [0, 1] at 95 % true positives, outliers positive."""
    return fpr_at_95_tpr(-outside, -inside)
