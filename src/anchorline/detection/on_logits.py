"""Detectors that read logits. Each `fit(known, …)` gives a score, higher for in-distribution images."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from anchorline.detection.evidence import Evidence, Known, competing, take
from anchorline.detection.fitting import Score, Space
from anchorline.detection.library import detectors

# Softmax probabilities of float32 saturate at 1, and ties cost FPR95: everything is float64.


def msp(known: Known) -> Score:
    detector = detectors().MaxSoftmax(None)
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


def max_logit(known: Known) -> Score:
    detector = detectors().MaxLogit(None)
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


def energy(known: Known) -> Score:
    detector = detectors().EnergyBased(None)
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


def entropy(known: Known) -> Score:
    detector = detectors().Entropy(None)
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


def gen(known: Known, gamma: float, M: int) -> Score:  # noqa: N803: the paper's letter
    detector = detectors().GEN(None, gamma=gamma, M=M)
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


def gen_space(known: Known) -> Space:
    """pytorch-ood's, M at most the number of classes."""
    space = detectors().GEN.hyperparameter_space
    return {"gamma": space["gamma"], "M": sorted({min(m, len(known.classes)) for m in space["M"]})}


def temperature(known: Known) -> Score:
    """MSP at the temperature of least cross-entropy on val."""
    detector = detectors().MaxSoftmax(None, t=best_temperature(known.val, known.val_labels))
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


def best_temperature(val: Evidence, labels: Tensor, lowest: float = 0.05, highest: float = 20.0) -> float:
    """The T of least cross-entropy of softmax(logits / T), between two bounds (Guo et al. 2017).

    The cross-entropy is convex in 1/T: bisection on its slope, the mean of E_p[logit] - logit of the label.
    pytorch-ood's own fit stops after 50 steps of 0.01, far from the optimum. Where all answers are right
    with a margin, there is no least; the lowest T is given.
    """
    logits = take(val, competing(val)).logits.double()
    of_label = val.logits.gather(1, labels[:, None]).double()
    low, high = 1 / highest, 1 / lowest
    for _ in range(50):
        middle = (low * high) ** 0.5
        slope = ((logits * F.softmax(logits * middle, 1)).sum(1, keepdim=True) - of_label).mean()
        low, high = (middle, high) if slope < 0 else (low, middle)
    return 1 / (low * high) ** 0.5


def kl_matching(known: Known) -> Score:
    """Typical posteriors are those of train; classes that no training image is given to have none."""
    detector = detectors().KLMatching(None).fit_logits(known.train.logits.double())
    return lambda evidence: -detector.predict_logits(evidence.logits.double())
