"""pytorch-ood, imported where it is used: it is an extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from anchorline.errors import UserError


def detectors() -> Any:
    """`pytorch_ood.detector`. Its scores are higher for outliers. Raises `UserError`."""
    return _part("detector")


def utilities() -> Any:
    """`pytorch_ood.utils.utils`. Raises `UserError`."""
    return _part("utils.utils")


def _part(name: str) -> Any:
    try:
        return import_module(f"pytorch_ood.{name}")
    except ImportError as error:
        raise UserError(
            'outlier detectors need pytorch-ood, which is not installed; pip install "anchorline[detection]"'
        ) from error
