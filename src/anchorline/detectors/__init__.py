"""Outlier detectors: a table of them, what they are fitted on, and their scores."""

from __future__ import annotations

from anchorline.detectors.base import Detector, UnfitError
from anchorline.detectors.evidence import Arrays, DetectorInputs, FitData
from anchorline.detectors.fitting import FittedDetector, fit_all, scores
from anchorline.detectors.on_text import adjectives, nouns
from anchorline.detectors.patches import local_scores, patch_features
from anchorline.detectors.synthetic import outliers
from anchorline.detectors.table import DETECTORS

__all__ = [
    "DETECTORS",
    "Arrays",
    "Detector",
    "DetectorInputs",
    "FitData",
    "FittedDetector",
    "UnfitError",
    "adjectives",
    "fit_all",
    "local_scores",
    "nouns",
    "outliers",
    "patch_features",
    "scores",
]
