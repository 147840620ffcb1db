"""Detectors that read logits. Each `fit(known, …)` gives a score, higher for in-distribution images."""

from __future__ import annotations

from anchorline.detection.evidence import Known, competing
from anchorline.detection.fitting import Score, Space, UnfitError
from anchorline.detection.library import detectors
from anchorline.measures.calibration import TEMPERATURES, fit_temperature

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


def best_temperature(known: Known) -> float:
    """The T of least cross-entropy of softmax(logits / T) on val; 1 where val tells none
    (`measures.calibration.fit_temperature`)."""
    known = known.restricted(competing(known.val))
    if not len(known.val_labels):
        raise UnfitError("temperature scaling needs validation images of the classes; add some")
    found = fit_temperature(known.val.logits, known.val_labels)
    return 1.0 if found in TEMPERATURES else found


def kl_matching(known: Known) -> Score:
    """Typical posteriors are those of train; classes that no training image is given to have none."""
    detector = detectors().KLMatching(None).fit_logits(known.train.logits.double())
    return lambda evidence: -detector.predict_logits(evidence.logits.double())
