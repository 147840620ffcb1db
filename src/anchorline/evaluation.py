"""Evaluators: from logits and cosines, kept from the one pass of each set, to (metric, value) rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

import torch
from torch import Tensor

from anchorline import scores
from anchorline.classifier import AdaptedClassifier, Views
from anchorline.features import FeatureStore
from anchorline.suites.images import ImageSet, Progress
from anchorline.suites.suite import Suite

ID_POSITIVE, OUTLIER_POSITIVE = "id-positive", "outlier-positive"
AXES = ("id_accuracy", "shift_accuracy", "auroc")
MSP_TEMPERATURE = 1.0  # on the logits, which for zero-shot are cosines times the logit scale
MCM_TEMPERATURE = 1.0  # on the cosines themselves


@dataclass(frozen=True)
class Metric:
    """One number, in percent unless `unit` says otherwise; `low`, `high`: its 95 % interval."""

    set: str
    role: str  # "test" | "shift" | "outlier" | "summary"
    metric: str
    value: float
    unit: str = "%"
    low: float = math.nan
    high: float = math.nan
    n: int | None = None  # images of the set
    score: str = ""
    temperature: float = math.nan
    convention: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a classifier says of one set.

    Attributes:
        logits: float32 [N, C]; classes that do not compete are -inf.
        cosines: float32 [N, C], to the captions, likewise.
        features: float32 [N, D], blended, as the last layer reads them.
        labels: int64 [N], None for an outlier set.
    """

    logits: Tensor
    cosines: Tensor
    features: Tensor
    labels: Tensor | None

    @property
    def confidence(self) -> Tensor:
        """Maximum softmax probability [N]."""
        return scores.msp(self.logits)

    @property
    def predicted(self) -> Tensor:
        """Class numbers [N]."""
        return self.logits.argmax(1)

    @property
    def truth(self) -> Tensor:
        """The labels, of a set that has them."""
        assert self.labels is not None
        return self.labels

    @property
    def right(self) -> Tensor:
        """Whether each answer is right, bool [N]."""
        return self.predicted.eq(self.truth)


def outcome(classifier: AdaptedClassifier, images: ImageSet, views: Views) -> Outcome:
    seen, cosines = classifier.view(views), classifier.cosines(views)
    logits = seen.logits
    if images.columns is not None:
        rivals = torch.ones(len(classifier.classes), dtype=torch.bool)
        rivals[list(images.columns)] = False
        logits = logits.masked_fill(rivals, -torch.inf)
        cosines = cosines.masked_fill(rivals, -torch.inf)
    labels = None if images.labels is None else torch.from_numpy(images.labels)
    return Outcome(logits, cosines, seen.images, labels)


def outcomes(
    classifier: AdaptedClassifier,
    suite: Suite,
    store: FeatureStore,
    progress: Callable[[str], Progress | None] = lambda name: None,
) -> dict[str, Outcome]:
    """What a classifier says of test, of every shift and of every outlier set, by set name.

    `progress(set name)` gives the function that is told how far a set is that must be encoded.
    """
    # Outliers face the classes that test does: a maximum over more of them would not be comparable.
    columns = suite.test.columns
    outliers = {name: replace(images, columns=columns) for name, images in suite.outliers.items()}
    sets = {"test": suite.test, **suite.shifts, **outliers}
    return {
        name: outcome(classifier, images, classifier.views(store, images, progress(name)))
        for name, images in sets.items()
    }


def measure(classifier: AdaptedClassifier, suite: Suite, found: Mapping[str, Outcome]) -> Iterator[Metric]:
    """All metrics of one classifier on one suite; the summary comes last."""
    measured = [accuracy("test", "test", found["test"])]
    measured += [accuracy(name, "shift", found[name]) for name in suite.shifts]
    for name in suite.outliers:
        measured += detection(name, found["test"], found[name])
    yield from measured
    yield from summary(measured, classifier)


def accuracy(name: str, role: str, said: Outcome) -> Metric:
    """Top-1 accuracy with its Wilson interval."""
    right, n = int(said.right.sum()), len(said.truth)
    low, high = wilson(right, n)
    return Metric(name, role, "accuracy", 100 * right / n, low=100 * low, high=100 * high, n=n)


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a share, 95 % by default (Wilson 1927)."""
    share = right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def detection(name: str, inside: Outcome, outside: Outcome) -> list[Metric]:
    """AUROC and FPR at 95 % TPR, both conventions, of each score; test is in distribution."""
    pairs = (
        ("msp", MSP_TEMPERATURE, scores.msp(inside.logits), scores.msp(outside.logits)),
        (
            "mcm",
            MCM_TEMPERATURE,
            scores.mcm(inside.cosines, MCM_TEMPERATURE),
            scores.mcm(outside.cosines, MCM_TEMPERATURE),
        ),
    )
    found = []
    for score, temperature, a, b in pairs:
        values = (
            ("auroc", "", scores.auroc(a, b)),
            ("fpr95", ID_POSITIVE, scores.fpr_at_95_tpr(a, b)),
            ("fpr95", OUTLIER_POSITIVE, scores.fpr_outlier_positive(a, b)),
        )
        found += [
            Metric(name, "outlier", metric, 100 * value, n=len(b), score=score,
                   temperature=temperature, convention=convention)
            for metric, convention, value in values
        ]  # fmt: skip
    return found


def summary(measured: list[Metric], classifier: AdaptedClassifier) -> Iterator[Metric]:
    """The three axes, their mean, and what the method cost. An axis without sets is left out."""
    test = next(m for m in measured if m.role == "test")
    shifts = [m.value for m in measured if m.role == "shift"]
    outliers = [m.value for m in measured if m.metric == "auroc" and m.score == "msp"]
    axes = {"id_accuracy": test.value}
    if shifts:
        axes["shift_accuracy"] = fmean(shifts)
    if outliers:
        axes["auroc"] = fmean(outliers)
    for name, value in axes.items():
        if name == "id_accuracy":
            yield Metric("", "summary", name, value, low=test.low, high=test.high, n=test.n)
        else:
            yield Metric("", "summary", name, value, score="msp" if name == "auroc" else "")
    if len(axes) == 3:
        yield Metric("", "summary", "mean_of_axes", fmean(axes.values()))
    parameters = float(classifier.parameters)
    yield Metric("", "summary", "trainable_parameters", parameters, unit="parameters")
    yield Metric("", "summary", "seconds", classifier.seconds, unit="s")
    yield Metric("", "summary", "peak_memory", classifier.peak_memory, unit="MiB")


def changes(ours: list[Metric], untouched: list[Metric]) -> Iterator[Metric]:
    """The change of each axis against the untouched encoder, in points."""
    before = {m.metric: m.value for m in untouched if m.role == "summary"}
    names = {"id_accuracy": "delta_id", "shift_accuracy": "delta_shift", "auroc": "delta_auroc"}
    for metric in ours:
        if metric.role == "summary" and metric.metric in names:
            change = metric.value - before[metric.metric]
            yield Metric("", "summary", names[metric.metric], change, unit="points")
