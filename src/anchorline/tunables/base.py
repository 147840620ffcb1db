"""What a tunable is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from anchorline.methods import Method


@dataclass(frozen=True, eq=False)
class Labelled:
    """Features of a set with its labels: unit vectors float32 [N, D], int64 [N]."""

    features: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Problem:
    """One method on one suite, as seen by one encoder.

    Attributes:
        method: the row of the table.
        captions: class vectors, unit, float32 [C, D].
        train, val: what to learn from and what to choose on.
    """

    method: Method
    captions: Tensor
    train: Labelled
    val: Labelled


@dataclass(frozen=True, eq=False)
class Fitted:
    """What was tuned.

    Attributes:
        tuned: the trained tensors, by name; they alone are saved.
        chosen: hyper-parameters chosen on val.
    """

    tuned: dict[str, Tensor] = field(default_factory=dict)
    chosen: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Head:
    """A linear classifier: logits = features @ weight.T + bias; weight [C, D], bias [C]."""

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Unit vectors [N, D] -> logits [N, C]."""
        return features @ self.weight.T + self.bias
