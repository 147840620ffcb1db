"""Detectors that read logits. Each `fit(known, …)` gives a score, higher for in-distribution images."""

from __future__ import annotations

import torch

from anchorline.detection.evidence import Known, competing
from anchorline.detection.fitting import Score, Space, UnfitError
from anchorline.detection.library import detectors, utilities

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


def gen(known: Known, gamma: float, M: int) -> Score:  # noqa: N803
    detector = detectors().GEN(None, gamma=gamma, M=M)
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


def gen_space(known: Known) -> Space:
    """pytorch-ood's, M at most the number of classes."""
    space = detectors().GEN.hyperparameter_space
    return {"gamma": space["gamma"], "M": sorted({min(m, len(known.classes)) for m in space["M"]})}


def temperature(known: Known, t: float) -> Score:
    """MSP at the temperature of least cross-entropy on val."""
    detector = detectors().MaxSoftmax(None, t=t)
    return lambda evidence: -detector.predict_logits(evidence.logits.double())


def temperature_space(known: Known) -> Space:
    """One value: the cross-entropy chooses, not the synthetic outliers."""
    return {"t": [best_temperature(known)]}


@torch.enable_grad()
def best_temperature(known: Known, lowest: float = 0.2, highest: float = 20.0) -> float:
    """The T of least cross-entropy of softmax(logits / T) on val, between two bounds.

    By pytorch-ood's bisection; its class `TemperatureScaling` stops after 50 steps of a hundredth, far from
    the least. Where every answer is right there may be no least; the lowest T is given.
    """
    known = known.restricted(competing(known.val))
    if not len(known.val_labels):
        raise UnfitError("temperature scaling needs validation images of the classes; add some")
    return float(
        utilities().temperature_calibration(known.val.logits.float(), known.val_labels, lowest, highest)
    )


def kl_matching(known: Known) -> Score:
    """Typical posteriors are those of train; classes that no training image is given to have none."""
    detector = detectors().KLMatching(None).fit_logits(known.train.logits.double())
    return lambda evidence: -detector.predict_logits(evidence.logits.double())
