"""Segmentation with little to train."""

from __future__ import annotations

from dataclasses import replace

from anchorline.tasks.segmentation import METHODS, Architecture
from tests.helpers.blocks import SIZE

SMALL = Architecture(size=(SIZE, SIZE))


def brief(name: str, **training: object):
    row = METHODS[name]
    return replace(
        row, training=replace(row.training, **{"epochs": 2, "batch_size": 8, **training}), search=()
    )
