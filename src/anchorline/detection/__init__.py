"""Outlier detectors: a table of them, what they are fitted on, and their scores."""

from __future__ import annotations

from anchorline.detection.evidence import Arrays, Evidence, Known
from anchorline.detection.fitting import Detector, Scorer, UnfitError, fit_all, scores
from anchorline.detection.patches import local_scores, patch_features
from anchorline.detection.synthetic import outliers
from anchorline.detection.table import DETECTORS
from anchorline.detection.words import nouns

__all__ = [
    "DETECTORS",
    "Arrays",
    "Detector",
    "Evidence",
    "Known",
    "Scorer",
    "UnfitError",
    "fit_all",
    "local_scores",
    "nouns",
    "outliers",
    "patch_features",
    "scores",
]
