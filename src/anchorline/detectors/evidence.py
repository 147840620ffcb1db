"""What a detector reads of images, and what it may be fitted on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

EncodeWords = Callable[[Sequence[str], str], Tensor]


class DetectorInputs(Protocol):
    """What a classifier says of N images; `anchorline.evaluation.Outputs` is one.

    A set that holds a part of the classes has logits and cosines of -inf for the others, in every row.
    A `local` attribute, the local part of GL-MCM [N], is read where there is one.
    """

    @property
    def logits(self) -> Tensor:
        """[N, C]."""

    @property
    def features(self) -> Tensor:
        """[N, D], as the last linear layer reads them: logits = features @ weight.T + bias."""

    @property
    def cosines(self) -> Tensor:
        """[N, C], between images and class captions."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """Evidence, held in arrays.

    Attributes:
        logits: float [N, C].
        features: float [N, D].
        cosines: float [N, C].
        local: float [N]: what `patches.local_scores` gives; None: not computed.
    """

    logits: Tensor
    features: Tensor
    cosines: Tensor
    local: Tensor | None = None


@dataclass(frozen=True, eq=False)
class FitData:
    """All that a detector may be fitted on. No outlier set is in here.

    Attributes:
        train, train_labels: what detectors are fitted on, and int64 [N]; every class occurs.
        val, val_labels: what temperatures, and with `synthetic` all other hyper-parameters, are chosen on.
        synthetic: of the synthetic outliers made from val's pixels; see `synthetic.outliers`.
        weight, bias: the last linear layer, [C, D] and [C].
        captions: class captions in the space of the features, unit, [C, D].
        classes: names.
        logit_scale: the learnt inverse temperature of image-text cosines.
        encode_words: (words, template) -> unit vectors [W, D] in the space of the features; "": captioned as
            classes are. Asked once for each kind of words.
    """

    train: DetectorInputs
    train_labels: Tensor
    val: DetectorInputs
    val_labels: Tensor
    synthetic: DetectorInputs
    weight: Tensor
    bias: Tensor
    captions: Tensor
    classes: tuple[str, ...]
    logit_scale: float
    encode_words: EncodeWords

    def restricted(self, columns: Tensor) -> FitData:
        """The same for a part of the classes, int64 [K]: their images, their columns, their rows."""
        if len(columns) == len(self.classes):
            return self
        number = torch.full((len(self.classes),), -1)
        number[columns] = torch.arange(len(columns))
        train, val = number[self.train_labels], number[self.val_labels]
        return replace(
            self,
            train=take(self.train, columns, train >= 0),
            train_labels=train[train >= 0],
            val=take(self.val, columns, val >= 0),
            val_labels=val[val >= 0],
            synthetic=take(self.synthetic, columns),
            weight=self.weight[columns],
            bias=self.bias[columns],
            captions=self.captions[columns],
            classes=tuple(self.classes[i] for i in columns.tolist()),
        )


def local_of(evidence: DetectorInputs) -> Tensor | None:
    """The local part of GL-MCM [N], if it was computed."""
    local: Tensor | None = getattr(evidence, "local", None)
    return local


def competing(evidence: DetectorInputs) -> Tensor:
    """The classes that compete, int64 [K], ascending: those without -inf in the first row."""
    return evidence.logits[:1].isneginf().logical_not().all(0).nonzero().flatten()


def take(evidence: DetectorInputs, columns: Tensor, rows: Tensor | slice = slice(None)) -> Arrays:
    """Some images and some classes, int64 [K]. Nothing is copied where all classes and a slice are asked."""
    logits, cosines, local = evidence.logits[rows], evidence.cosines[rows], local_of(evidence)
    if len(columns) < logits.shape[1]:
        logits, cosines = logits[:, columns], cosines[:, columns]
    return Arrays(logits, evidence.features[rows], cosines, None if local is None else local[rows])
