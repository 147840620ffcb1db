"""pytorch-ood, imported where it is used: it is an extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from anchorline.errors import UserError


def detectors() -> Any:
    """The module `pytorch_ood.detector`. Its scores are higher for outliers. Raises `UserError`."""
    try:
        return import_module("pytorch_ood.detector")
    except ImportError as error:
        raise UserError(
            'outlier detectors need pytorch-ood, which is not installed; pip install "anchorline[detection]"'
        ) from error
