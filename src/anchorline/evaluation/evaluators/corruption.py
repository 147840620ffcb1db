"""Accuracy on the test set under each corruption; one set at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import fmean

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.encoders.features import FeatureStore
from anchorline.engine.parallel import Progress
from anchorline.evaluation.evaluators.accuracy import accuracy
from anchorline.evaluation.outputs import outputs_of
from anchorline.metric import Metric
from anchorline.suites.suite import Suite


def corruption(
    classifier: AdaptedClassifier,
    suite: Suite,
    corruptions: tuple[tuple[str, int], ...],
    store: FeatureStore,
    progress: Callable[[str], Progress | None],
) -> Iterator[Metric]:
    """Of each (name, severity), and the mean over all of them (ImageNet-C, arXiv 1903.12261, without its
    division by the errors of AlexNet, of which there are none for another suite)."""
    found = []
    tell = progress(f"{classifier.method.name}, corruptions")
    for number, (name, severity) in enumerate(corruptions, 1):
        images = suite.test.corrupted(name, severity)
        outputs = outputs_of(classifier, images, classifier.views(store, images))
        found.append(accuracy(images.name, "corruption", outputs))
        if tell:
            tell(number, len(corruptions))
    yield from found
    if found:
        yield Metric("", "summary", "corruption_accuracy", fmean(m.value for m in found))
