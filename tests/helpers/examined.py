"""Small sets of answers, for evaluators: no encoder, no images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch

from anchorline import METHODS, AdaptedClassifier, Suite
from anchorline.detectors import FitData, FittedDetector, fit_all
from anchorline.evaluation.base import Evaluation, Options
from anchorline.evaluation.outputs import Outputs
from anchorline.metric import Metric
from anchorline.metrics.bootstrap import Resamples
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.sources import Folder

CLASSES = ("a", "b", "c")
Key = tuple[str, str, str, str, str]


def outputs(rows: Sequence[Sequence[float]], labels: Sequence[int] | None = None, columns=None) -> Outputs:
    """Rows are the logits; the cosines are a tenth of them, a and c exchanged."""
    logits = torch.tensor(rows, dtype=torch.float32).reshape(-1, len(CLASSES))
    cosines = logits.flip(1) / 10
    truth = None if labels is None else torch.tensor(labels, dtype=torch.int64)
    if columns is not None:
        rivals = torch.ones(len(CLASSES), dtype=torch.bool)
        rivals[list(columns)] = False
        logits, cosines = logits.masked_fill(rivals, -torch.inf), cosines.masked_fill(rivals, -torch.inf)
    return Outputs(logits, cosines, torch.tensor(rows, dtype=torch.float32), truth)


def sure(probabilities: Sequence[Sequence[float]], labels: Sequence[int] | None = None) -> Outputs:
    """By the softmax probabilities; one of 0 does not compete."""
    return outputs([[math.log(p) if p else -math.inf for p in row] for row in probabilities], labels)


def answering(answers: Sequence[int], labels: Sequence[int]) -> Outputs:
    return outputs(torch.eye(len(CLASSES))[list(answers)].tolist(), labels)


def confident(shares: Iterable[float]) -> Outputs:
    """Outliers by their largest softmax probability, above 1/2."""
    return sure([[share, (1 - share) / 2, (1 - share) / 2] for share in shares])


def images(name: str, labels=None, columns=None, count: int = 4) -> ImageSet:
    marked = None if labels is None else np.array(labels, np.int64)
    paths = tuple(f"{i}.png" for i in range(count if labels is None else len(labels)))
    return ImageSet(name, Folder("nowhere"), paths, marked, columns)


def suite_of(sets: Mapping[str, Outputs], near: Iterable[str] = ()) -> Suite:
    """The set "test" is test; others are shifts where they have labels, else outlier sets."""
    kept = {
        name: images(name, None if one.labels is None else one.labels.tolist(), count=len(one.logits))
        for name, one in sets.items()
    }
    return Suite(
        "s",
        CLASSES,
        images("train", [0, 1, 2]),
        images("val", [0, 1, 2]),
        kept.pop("test"),
        {name: one for name, one in kept.items() if one.labels is not None},
        {name: one for name, one in kept.items() if one.labels is None},
        near=frozenset(near),
    )


def classifier_on(encoder) -> AdaptedClassifier:
    """Its logits are the features themselves, and its cosines a tenth of them, a and c exchanged."""
    return AdaptedClassifier(
        encoder=encoder,
        method=METHODS["linear-probe"],
        classes=CLASSES,
        templates=("a {}",),
        captions=torch.eye(3).flip(0) / 10,
        learnt_from={"train": "", "val": ""},
        tuned={"head.weight": torch.eye(3), "head.bias": torch.zeros(3)},
        chosen={"l2": 0.1},
        alpha=0.0,
        seconds=1.5,
        threshold=0.5,
        peak_memory=2.5,
        seed=0,
    )


def fitted(*names: str) -> list[FittedDetector]:
    """Detectors that need no fitting."""
    nothing, labels = outputs([]), torch.empty(0, dtype=torch.int64)
    known = FitData(
        nothing, labels, nothing, labels, nothing, torch.eye(3), torch.zeros(3), torch.eye(3), CLASSES, 1.0,
        encode_words=lambda words, template: torch.empty(0, 3),
    )  # fmt: skip
    return fit_all(known, names)[0]


def evaluation(
    sets: Mapping[str, Outputs],
    before: Mapping[str, Outputs] | None = None,
    val: Outputs | None = None,
    detectors: Sequence[str] = ("msp", "mcm"),
    near: Iterable[str] = (),
    **options,
) -> Evaluation:
    return Evaluation(
        classifier_on(None),
        suite_of(sets, near),
        sets,
        sets if before is None else before,
        val,
        fitted(*detectors),
        Options(**options),
        Resamples(repeats=50),
    )


def by_key(metrics: Iterable[Metric]) -> dict[Key, Metric]:
    """By (set, role, metric, score, convention), which no two may share."""
    found: dict[Key, Metric] = {}
    for m in metrics:
        key = (m.set, m.role, m.metric, m.score, m.convention)
        assert key not in found, f"{key} is there twice"
        found[key] = m
    return found


def values(metrics: Iterable[Metric], metric: str, score: str = "") -> dict[str, float]:
    """By set."""
    found = {}
    for m in metrics:
        if (m.metric, m.score) == (metric, score):
            assert m.set not in found
            found[m.set] = m.value
    return found
