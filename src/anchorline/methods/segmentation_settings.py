"""Choices of a row as text: `--set training.epochs=60`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import get_type_hints

from anchorline.errors import NoSuchFieldError, UserError
from anchorline.methods.hyperparameters import check_training
from anchorline.methods.selection import put
from anchorline.methods.settings import parsed, without
from anchorline.tasks.segmentation.methods import SegmentationMethod

_PARTS = ("training", "constraint")


def override(row: SegmentationMethod, settings: Mapping[str, str]) -> SegmentationMethod:
    """The row with fields changed, {"training.epochs": "60", "constraint.k": "0"}, and searched no more.

    Raises `UserError` for a field or value that does not exist, or numbers that make no sense.
    """
    for path, text in settings.items():
        part, _, name = path.partition(".")
        owner = getattr(row, part) if part in _PARTS else None
        if owner is None or name not in _fields(owner):
            known = [f"{p}.{field}" for p in _PARTS for field in _fields(getattr(row, p))]
            raise NoSuchFieldError(f"--set {path}: {row.name} has no such field; it has {', '.join(known)}")
        try:
            value = parsed(text, get_type_hints(type(owner))[name])
        except ValueError as error:
            raise UserError(f"--set {path}={text}: {error}") from error
        row = dataclasses.replace(put(row, path, value), search=without(row.search, path))
    check_training(row.name, row.training, least_epochs=1)
    return row


def _fields(part: object) -> list[str]:
    return [field.name for field in dataclasses.fields(part)]  # type: ignore[arg-type]
