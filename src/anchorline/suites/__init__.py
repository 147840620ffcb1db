"""Suites: an in-distribution set, its shifted sets, its outlier sets."""

from collections.abc import Callable

from anchorline.suites.bundled import pictograms
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.suite import Suite

__all__ = ["SUITES", "ImageSet", "Suite"]

SUITES: dict[str, Callable[[], Suite]] = {"pictograms": pictograms}
