"""What a classifier says of image sets: all that evaluators look at comes out of one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from anchorline.classifier.adapted import Classifier, FeaturePair
from anchorline.encoders.features import FeatureStore
from anchorline.engine.parallel import Progress
from anchorline.metrics import scores
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.suite import Suite


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a classifier says of one set.

    Attributes:
        logits: float32 [N, C]; classes that do not compete are -inf.
        cosines: float32 [N, C], to the captions, likewise.
        features: float32 [N, D], blended, as the last layer reads them.
        labels: int64 [N], None for an outlier set.
        local: float64 [N], what the patches say of belonging to any class; None where nobody asked.
        among_all: class numbers int64 [N] with all classes competing; None where they do anyway.
    """

    logits: Tensor
    cosines: Tensor
    features: Tensor
    labels: Tensor | None
    local: Tensor | None = None
    among_all: Tensor | None = None

    @cached_property
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


def outputs_of(classifier: Classifier, images: ImageSet, views: FeaturePair) -> Outputs:
    seen, cosines = classifier.view(views), classifier.cosines(views)
    logits = seen.logits
    if images.merged:
        logits, cosines = _merged(logits, images), _merged(cosines, images)
    among_all = None
    if images.columns is not None:
        among_all = logits.argmax(1)
        rivals = torch.ones(len(classifier.classes), dtype=torch.bool)
        rivals[list(images.columns)] = False
        logits = logits.masked_fill(rivals, -torch.inf)
        cosines = cosines.masked_fill(rivals, -torch.inf)
    labels = None if images.labels is None else torch.from_numpy(images.labels)
    return Outputs(logits, cosines, seen.images, labels, among_all=among_all)


def _merged(values: Tensor, images: ImageSet) -> Tensor:
    """[N, C], the first class of each merged group with the highest value of the group."""
    merged = values.clone()
    for group in images.merged:
        merged[:, group[0]] = values[:, list(group)].amax(1)
    return merged


def collect_outputs(
    classifier: Classifier,
    suite: Suite,
    store: FeatureStore,
    progress: Callable[[str], Progress | None] = lambda name: None,
) -> dict[str, Outputs]:
    """What a classifier says of test, of every shift and of every outlier set, by set name.

    `progress(set name)` gives the function that is told how far a set is that must be encoded.
    """
    # Outliers face the classes that test does: a maximum over more of them would not be comparable.
    columns = suite.test.columns
    outliers = {name: replace(images, columns=columns) for name, images in suite.outliers.items()}
    sets = {"test": suite.test, **suite.shifts, **outliers}
    return {
        name: outputs_of(classifier, images, classifier.views(store, images, progress(name)))
        for name, images in sets.items()
    }
