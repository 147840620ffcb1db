"""What a detector is: a row of the table; and what several of them use."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import torch
from torch import Tensor

from anchorline.detectors.evidence import Arrays, FitData
from anchorline.errors import UserError

Score = Callable[[Arrays], Tensor]
Space = Mapping[str, Sequence[Any]]


class UnfitError(UserError):
    """Why a detector cannot be fitted on these data; one sentence."""


def _nothing(data: FitData) -> Space:
    return {}


@dataclass(frozen=True)
class Detector:
    """One row of the table.

    Attributes:
        name: for the command line and all tables.
        about: one line for a newcomer.
        source: the paper.
        reads: what of the images: their logits, their features, or what the text tower makes of them.
        fit: (data, **hyper-parameters) -> a score of evidence in which every class competes. Raises
            `UnfitError`.
        space: hyper-parameters and the values to try; val chooses.
        without_train: whether it is also measured where there is no train and no val.
        temperature: of the softmax that it takes, if it takes one and none is chosen.
    """

    name: str
    about: str
    source: str
    reads: Literal["logits", "features", "text"]
    fit: Callable[..., Score]
    space: Callable[[FitData], Space] = _nothing
    without_train: bool = False
    temperature: float = math.nan


def drawn(count: int, most: int) -> Tensor:
    """At most `most` of `count` indices, int64, ascending: a seeded random choice without replacement."""
    if count <= most:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:most].sort().values


def library() -> Any:
    """`pytorch_ood.detector`, imported when the first detector is fitted: it takes seconds. Its scores are
    higher for outliers."""
    return import_module("pytorch_ood.detector")
