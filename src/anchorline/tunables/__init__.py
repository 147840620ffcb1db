"""What can be trained. Each kind is one module with two functions, `fit` and `head`, listed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from anchorline.tunables import head, nothing
from anchorline.tunables.base import Fitted, Head, Problem

__all__ = ["TUNABLES", "Fitted", "Head", "Problem", "Tunable"]


class Tunable(Protocol):
    """A module of this package."""

    def fit(self, problem: Problem) -> Fitted:
        """Learn from train, choose on val."""

    def head(self, captions: Tensor, logit_scale: float, tuned: Mapping[str, Tensor]) -> Head:
        """The classifier, from the class vectors [C, D] and what `fit` tuned."""


TUNABLES: dict[str, Tunable] = {"nothing": nothing, "head": head}
