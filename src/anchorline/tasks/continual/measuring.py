"""What is measured after each task: all classes seen so far compete, on test, shifts and outlier sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean

import numpy as np
import torch

from anchorline.classifier.adapted import Classifier, FeaturePair
from anchorline.encoders.features import FeatureStore
from anchorline.evaluation.evaluators.accuracy import accuracy
from anchorline.evaluation.evaluators.summary import axes
from anchorline.evaluation.outputs import Outputs, outputs_of
from anchorline.methods.selection import ValScore, val_score
from anchorline.metric import MSP_TEMPERATURE, Metric
from anchorline.metrics import scores
from anchorline.metrics.bootstrap import Resamples
from anchorline.metrics.detection import with_intervals
from anchorline.suites.images.image_set import ImageSet
from anchorline.tasks.continual.metrics import (
    Matrix,
    average_accuracy,
    forgetting,
    forgetting_from_best,
)
from anchorline.tasks.continual.sequence import Rows, TaskSequence

_BLOCK = 1024  # images copied out of a set at a time, a multiple of an encoder's batch
TASK = "task"  # role of what is measured on the test images of one task; its set is "task 3"


def collect(
    classifier: Classifier, sequence: TaskSequence, task: int, store: FeatureStore
) -> dict[str, Outputs]:
    """What a classifier of the classes seen after a task says of their images in test and in each shift, and
    of all outliers, by set name; a shift without any of the classes is left out. Each image passes once."""
    suite = sequence.suite
    found = {}
    for images in (suite.test, *suite.shifts.values()):
        rows = sequence.rows(images, 1, task)
        if len(rows):
            found[images.name] = _said(classifier, sequence, task, images, rows, store)
    # Outliers face the classes that test does.
    competing = tuple(sequence.competing(suite.test, task).tolist())
    for images in suite.outliers.values():
        rows = np.arange(len(images))
        facing = replace(images, columns=competing)
        found[images.name] = outputs_of(classifier, facing, _views(classifier, images, rows, store))
    return found


def _said(
    classifier: Classifier, sequence: TaskSequence, task: int, images: ImageSet, rows: Rows,
    store: FeatureStore,
) -> Outputs:  # fmt: skip
    part = replace(
        images.select(rows),
        labels=sequence.labels(images)[rows],
        columns=tuple(sequence.competing(images, task).tolist()),
    )
    return outputs_of(classifier, part, _views(classifier, images, rows, store))


def _views(classifier: Classifier, images: ImageSet, rows: Rows, store: FeatureStore) -> FeaturePair:
    """Features of some images of a set. The adapted ones are not kept: nobody asks for them again."""
    untouched = store.images(classifier.encoder, images).vectors[rows]
    if not classifier.adaptation.changes_images:
        return FeaturePair(untouched, untouched)
    pixels, _ = store.pixels(classifier.encoder.geometry, images)
    adapted = [
        classifier.image_encoder.encode_images(pixels[rows[start : start + _BLOCK]])
        for start in range(0, len(rows), _BLOCK)
    ]
    return FeaturePair(torch.cat(adapted), untouched)


def task_accuracies(outputs: Outputs, sequence: TaskSequence, task: int) -> list[Metric]:
    """Accuracy on the test images of each task so far, all classes seen competing: a row of R."""
    found = []
    for number in range(1, task + 1):
        own = (outputs.truth >= sequence.seen(number - 1)) & (outputs.truth < sequence.seen(number))
        part = Outputs(outputs.logits[own], outputs.cosines[own], outputs.features[own], outputs.truth[own])
        found.append(accuracy(f"task {number}", TASK, part))
    return found


def measure(
    found: dict[str, Outputs], sequence: TaskSequence, task: int, matrix: Matrix, resamples: Resamples
) -> Iterator[Metric]:
    """All figures after a task; fills row task - 1 of the accuracy matrix, in percent.

    Accuracy of each task so far, of test and of each shift; AUROC of MSP, seen classes of test against each
    outlier set; A_{1:t}, F_t and the axes of `compare` as summary.
    """
    suite, test = sequence.suite, found["test"]
    own = task_accuracies(test, sequence, task)
    matrix[task - 1, :task] = [one.value for one in own]
    yield from own
    yield accuracy("test", "test", test)
    shifts = {name: images for name, images in suite.shifts.items() if name in found}
    for name in shifts:
        yield accuracy(name, "shift", found[name])
    inside = scores.msp(test.logits)
    for name in suite.outliers:
        outside = scores.msp(found[name].logits)
        estimate = with_intervals(inside, outside, resamples, ("test", name))["auroc"]
        value, low, high = (100 * number for number in estimate)
        yield Metric(name, "outlier", "auroc", value, low=low, high=high, n=len(outside), score="msp",
                     temperature=MSP_TEMPERATURE)  # fmt: skip
    yield Metric("", "summary", "average_accuracy", average_accuracy(matrix, task))
    if task > 1:
        yield Metric("", "summary", "forgetting", forgetting(matrix, task), unit="points")
        from_best = forgetting_from_best(matrix, task)
        yield Metric("", "summary", "forgetting_from_best", from_best, unit="points")
    yield from axes(replace(suite, shifts=shifts), found)


def sequence_score(classifier: Classifier, sequence: TaskSequence, store: FeatureStore) -> ValScore:
    """A_{1:N} on the val images of all tasks, a share, and minus their cross-entropy: in the end of all."""
    last, val = len(sequence), sequence.suite.val
    outputs = _said(classifier, sequence, last, val, sequence.rows(val, 1, last), store)
    every = [one.value / 100 for one in task_accuracies(outputs, sequence, last)]
    return fmean(every), val_score(outputs.logits, outputs.truth)[1]


def threshold(classifier: Classifier, images: ImageSet, store: FeatureStore) -> float:
    """The highest maximum softmax probability that at least 95 % of the val images reach.

    `classifier` knows all classes in the order of the suite.
    """
    outputs = outputs_of(classifier, images, _views(classifier, images, np.arange(len(images)), store))
    kept = outputs.confidence.sort(descending=True).values
    return float(kept[int(np.ceil(0.95 * len(kept))) - 1]) * (1 - 1e-6)  # other batches round otherwise
