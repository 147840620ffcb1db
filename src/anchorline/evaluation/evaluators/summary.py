"""The three axes, what they changed by, and what a method cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.evaluation.evaluators.accuracy import accuracy
from anchorline.evaluation.outputs import Outputs
from anchorline.metric import CLASSIFICATION_AXES, Metric
from anchorline.metrics import scores
from anchorline.metrics.detection import auroc
from anchorline.suites.suite import Suite


def axes(suite: Suite, found: Mapping[str, Outputs]) -> list[Metric]:
    """In-distribution accuracy, mean accuracy over shifts, mean AUROC of MSP over outlier sets, and the mean
    of the three. An axis without sets is left out."""
    test = accuracy("test", "test", found["test"])
    values = {"id_accuracy": test.value}
    if suite.shifts:
        values["shift_accuracy"] = fmean(accuracy(name, "shift", found[name]).value for name in suite.shifts)
    if suite.outliers:
        inside = scores.msp(found["test"].logits)
        values["auroc"] = fmean(
            100 * auroc(inside, scores.msp(found[name].logits)) for name in suite.outliers
        )
    if len(values) == 3:
        values["mean_of_axes"] = fmean(values.values())
    rows = [Metric("", "summary", "id_accuracy", test.value, low=test.low, high=test.high, n=test.n)]
    for name, value in values.items():
        if name != "id_accuracy":
            rows.append(Metric("", "summary", name, value, score="msp" if name == "auroc" else ""))
    return rows


def cost(classifier: AdaptedClassifier) -> Iterator[Metric]:
    """Parameters, seconds and memory of adapting."""
    parameters = float(classifier.parameters)
    yield Metric("", "summary", "trainable_parameters", parameters, unit="parameters")
    yield Metric("", "summary", "seconds", classifier.seconds, unit="s")
    yield Metric("", "summary", "peak_memory", classifier.peak_memory, unit="MiB")


def changes(ours: list[Metric], untouched: list[Metric]) -> Iterator[Metric]:
    """The change of each axis against the untouched encoder, in points."""
    before = {m.metric: m.value for m in untouched if m.role == "summary"}
    names = {axis.name: axis.change for axis in CLASSIFICATION_AXES}
    for metric in ours:
        if metric.role == "summary" and metric.metric in names:
            change = metric.value - before[metric.metric]
            yield Metric("", "summary", names[metric.metric], change, unit="points")
