"""pytorch-ood, imported when the first detector is fitted: it takes seconds."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def detectors() -> Any:
    """`pytorch_ood.detector`. Its scores are higher for outliers."""
    return import_module("pytorch_ood.detector")
