"""What makes a recipe run in a minute on a CPU: few classes, one short epoch, nothing to search."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from anchorline.methods.hyperparameters import Training
from anchorline.methods.table import Method
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.labels import columns_of
from anchorline.suites.suite import Suite

CLASSES = 20
NOTE = (
    "everything here ran at tiny scale: some classes of a drawn replica, the bundled encoder, one epoch; "
    "measured figures show that the recipe runs, and say nothing beside the published ones"
)


def brief(training: Training) -> Training:
    """One epoch of small batches."""
    return replace(training, epochs=1, batch_size=min(training.batch_size, 16))


def miniature(row: Method) -> Method:
    """The row with a brief training and nothing to search."""
    return replace(row, training=row.training and brief(row.training), search=())


def few_classes(suite: Suite, count: int = CLASSES) -> Suite:
    """The suite with `count` of its classes: those of the shifts that hold few come first, so that no shift
    is left without any. Outlier sets stay."""
    weight: defaultdict[int, float] = defaultdict(float)
    for images in suite.shifts.values():
        held = {*_labels(images).tolist(), *chain.from_iterable(images.merged)}
        for label in held:
            weight[label] += 1 / len(held)
    ranked = sorted(range(len(suite.classes)), key=lambda label: (-weight[label], label))
    kept = sorted(ranked[:count])
    place = {label: number for number, label in enumerate(kept)}

    def cut(images: ImageSet) -> ImageSet:
        labels = _labels(images)
        own = images.select(np.flatnonzero(np.isin(labels, kept)))
        renamed = np.array([place[label] for label in _labels(own).tolist()], np.int64)
        groups = [[place[c] for c in group if c in place] for group in images.merged if group[0] in place]
        return replace(
            own,
            labels=renamed,
            columns=columns_of(renamed, len(kept)),
            merged=tuple(tuple(group) for group in groups if len(group) > 1),
        )

    return replace(
        suite,
        classes=tuple(suite.classes[label] for label in kept),
        train=cut(suite.train),
        val=cut(suite.val),
        test=cut(suite.test),
        shifts={name: cut(images) for name, images in suite.shifts.items()},
        notes=(NOTE,),
    )


def _labels(images: ImageSet) -> npt.NDArray[np.int64]:
    assert images.labels is not None
    return images.labels
