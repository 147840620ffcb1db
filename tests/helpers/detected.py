"""Images around their class captions, outliers anywhere, and what a detector is fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from anchorline.detectors import Arrays, FitData

CLASSES, WIDTH, SCALE = 6, 32, 20.0
ALL = torch.arange(CLASSES)


def unit(*shape: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


CAPTIONS = unit(CLASSES, WIDTH, seed=0)


def seen(features: Tensor, captions: Tensor = CAPTIONS) -> Arrays:
    cosines = features @ captions.T
    return Arrays(SCALE * cosines, features, cosines, local=cosines.double().softmax(1).amax(1))


def images(labels: Tensor, seed: int, spread: float = 1.0) -> Arrays:
    """Images around their class caption."""
    return seen(F.normalize(CAPTIONS[labels] + spread * unit(len(labels), WIDTH, seed=seed), dim=1))


def outliers(count: int, seed: int) -> Arrays:
    return seen(unit(count, WIDTH, seed=seed))


def encode_words(words: Sequence[str], template: str) -> Tensor:
    return unit(len(words), WIDTH, seed=9 + len(template))


def known(a_class: int = 20, spread: float = 0.3) -> FitData:
    train, val = ALL.repeat(a_class), ALL.repeat(5)
    return FitData(
        images(train, 1, spread), train, images(val, 2, spread), val, outliers(40, 3),
        SCALE * CAPTIONS, torch.zeros(CLASSES), CAPTIONS, tuple("abcdef"), SCALE, encode_words,
    )  # fmt: skip


EASY = known()
HARD = known(40, spread=4.0)  # classes overlap: answers are wrong, scores are spread
TEST, OTHERS = images(ALL.repeat(10), 4, 0.3), outliers(80, 5)


def masked(evidence: Arrays, columns: Tensor) -> Arrays:
    rivals = torch.ones(CLASSES, dtype=torch.bool).index_fill(0, columns, False)
    return replace(
        evidence,
        logits=evidence.logits.masked_fill(rivals, -torch.inf),
        cosines=evidence.cosines.masked_fill(rivals, -torch.inf),
    )
