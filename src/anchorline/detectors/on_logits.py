"""Detectors that read logits. Each `fit(data, …)` gives a score, higher for in-distribution images."""

from __future__ import annotations

from torch import Tensor

from anchorline.detectors.base import Score, Space, UnfitError, library
from anchorline.detectors.evidence import Arrays, FitData, competing
from anchorline.metrics.calibration import TEMPERATURES, fit_temperature
from anchorline.metrics.probabilities import log_probabilities

# Softmax probabilities of float32 saturate at 1, and ties cost FPR95: everything is float64.


def msp(data: FitData) -> Score:
    detector = library().MaxSoftmax(None)
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


def max_logit(data: FitData) -> Score:
    detector = library().MaxLogit(None)
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


def energy(data: FitData) -> Score:
    detector = library().EnergyBased(None)
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


# pytorch-ood clamps probabilities at 1e-7 in these two, which at CLIP's scale of logits changes ranks.


def entropy(data: FitData) -> Score:
    """Σ p ln p."""

    def score(evidence: Arrays) -> Tensor:
        log_p, _ = log_probabilities(evidence.logits)
        return (log_p.exp() * log_p).sum(1)

    return score


def gen(data: FitData, gamma: float, M: int) -> Score:  # noqa: N803
    """-Σ p^γ (1 - p)^γ over the M largest p."""

    def score(evidence: Arrays) -> Tensor:
        log_p, log_rest = log_probabilities(evidence.logits)
        return -(gamma * (log_p + log_rest))[:, :M].exp().sum(1)

    return score


def gen_space(data: FitData) -> Space:
    """pytorch-ood's, M at most the number of classes."""
    space = library().GEN.hyperparameter_space
    return {"gamma": space["gamma"], "M": sorted({min(m, len(data.classes)) for m in space["M"]})}


def temperature(data: FitData, t: float) -> Score:
    """MSP at the temperature of least cross-entropy on val."""
    detector = library().MaxSoftmax(None, t=t)
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


def temperature_space(data: FitData) -> Space:
    """One value: the cross-entropy chooses, not the synthetic outliers."""
    return {"t": [best_temperature(data)]}


def best_temperature(data: FitData) -> float:
    """The T of least cross-entropy of softmax(logits / T) on val; 1 where val tells none
    (`measures.calibration.fit_temperature`)."""
    data = data.restricted(competing(data.val))
    if not len(data.val_labels):
        raise UnfitError("temperature scaling needs validation images of the classes; add some")
    found = fit_temperature(data.val.logits, data.val_labels)
    return 1.0 if found in TEMPERATURES else found


def kl_matching(data: FitData) -> Score:
    """Typical posteriors are those of train; classes that no training image is given to have none."""
    detector = library().KLMatching(None).fit_logits(data.train.logits.double())
    return lambda evidence: -detector.predict_logits(evidence.logits.double())
