"""Gathers what the evaluators look at: one pass of each set, and detectors fitted on train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from anchorline import detectors as detection
from anchorline.classifier.adapted import AdaptedClassifier, FeaturePair
from anchorline.encoders.features import FeatureStore
from anchorline.engine.parallel import Progress
from anchorline.evaluation.base import Evaluation, Options
from anchorline.evaluation.outputs import Outputs, collect_outputs, outputs_of
from anchorline.metrics.bootstrap import Resamples
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.rgb import Pixels
from anchorline.suites.suite import Suite

SYNTHETIC = 1000  # images of val, at most, from which synthetic outliers are made
FITTED = 50_000  # images of train, at most, that detectors are fitted on


def collect(
    classifier: AdaptedClassifier,
    suite: Suite,
    store: FeatureStore,
    *,
    untouched: Mapping[str, Outputs] | None = None,
    options: Options | None = None,
    resamples: Resamples | None = None,
    progress: Callable[[str], Progress | None] = lambda name: None,
) -> tuple[Evaluation, dict[str, str]]:
    """One classifier with all that is to be looked at, and the detectors left out, with a reason.

    `untouched` is what the untouched encoder says of the same sets; None where this is the untouched one. A
    suite without train and val, as `Suite.for_classes` makes it, has only detectors that need no fitting.
    """
    outputs = collect_outputs(classifier, suite, store, progress)
    train, val = (
        _at_most(FITTED, classifier, images, store) if len(images) else nothing(outputs["test"])
        for images in (suite.train, suite.val)
    )
    options = options or Options()
    if options.patches:
        for name, images in {"test": suite.test, **suite.outliers}.items():
            facing = replace(images, columns=suite.test.columns)  # the classes that test does
            outputs[name] = _with_patches(classifier, facing, outputs[name], store)
        val = _with_patches(classifier, suite.val, val, store)
    detectors: list[detection.FittedDetector] = []
    left_out: dict[str, str] = {}
    if suite.outliers:
        known = _known(classifier, suite, store, train, val)
        unfitted = [name for name, row in detection.DETECTORS.items() if row.without_train]
        detectors, left_out = detection.fit_all(known, None if len(suite.train) else unfitted)
    return Evaluation(
        classifier,
        suite,
        outputs,
        outputs if untouched is None else untouched,
        val if len(suite.val) else None,
        detectors,
        options,
        resamples or Resamples(),
    ), left_out


def _at_most(most: int, classifier: AdaptedClassifier, images: ImageSet, store: FeatureStore) -> Outputs:
    """What is said of a set, or of so many of its images, evenly spread: logits of all take memory."""
    views = classifier.views(store, images)
    if len(images) <= most:
        return outputs_of(classifier, images, views)
    rows = torch.linspace(0, len(images) - 1, most).long()
    part = FeaturePair(views.adapted[rows], views.untouched[rows])
    return outputs_of(classifier, images.select(rows.numpy()), part)


def _known(
    classifier: AdaptedClassifier, suite: Suite, store: FeatureStore, train: Outputs, val: Outputs
) -> detection.FitData:
    """What detectors may be fitted on; empty where the suite has no train and val."""
    if suite.val.labels is not None and len(suite.val):
        # They face the classes that val does, as outliers face those of test.
        unlike = ImageSet("synthetic outliers", suite.val.source, (), columns=suite.val.columns)
        synthetic = outputs_of(classifier, unlike, _synthetic(classifier, suite.val, store))
    else:
        synthetic = nothing(val)
    none = torch.zeros(0, classifier.captions.shape[1])
    head = classifier.view(FeaturePair(none, none))
    return detection.FitData(
        train=train,
        train_labels=train.truth,
        val=val,
        val_labels=val.truth,
        synthetic=synthetic,
        weight=head.weight,
        bias=head.bias,
        captions=classifier.caption_vectors(),
        classes=classifier.classes,
        logit_scale=classifier.encoder.logit_scale,
        encode_words=lambda words, template: classifier.word_vectors(store, words, template),
    )


def _with_patches(
    classifier: AdaptedClassifier, images: ImageSet, outputs: Outputs, store: FeatureStore
) -> Outputs:
    """With the local part of GL-MCM, where the image tower has patches and the blend one kind of features."""
    if classifier.method.blend.needs_pretrained or not len(images):
        return outputs
    side = classifier.image_encoder
    captions = classifier.caption_vectors()
    sample = np.zeros((1, *side.geometry.size, 3), np.uint8)
    if detection.local_scores(side, sample, captions) is None:
        return outputs

    def compute(pixels: Pixels) -> Tensor:
        found = detection.local_scores(side, pixels, captions, images.columns)
        assert found is not None
        return found

    return replace(outputs, local=store.local(side, images, captions, compute))


def _synthetic(classifier: AdaptedClassifier, val: ImageSet, store: FeatureStore) -> FeaturePair:
    """Features of synthetic outliers made of val."""
    assert val.labels is not None
    labels = val.labels
    # As many as are needed to choose, spread over val, whose images may be in the order of their classes.
    chosen = np.linspace(0, len(val) - 1, min(len(val), SYNTHETIC)).astype(np.int64)

    def make() -> Pixels:
        pixels, _ = store.pixels(classifier.encoder.geometry, val)
        return detection.outliers(pixels[chosen], labels[chosen])

    what = f"synthetic outliers {sha256(labels.tobytes()).hexdigest()} {len(chosen)}"
    return FeaturePair(
        store.made_of(classifier.image_encoder, val, what, make),
        store.made_of(classifier.encoder, val, what, make),
    )


def nothing(like: Outputs) -> Outputs:
    """What is said of no image."""
    return Outputs(like.logits[:0], like.cosines[:0], like.features[:0], torch.empty(0, dtype=torch.int64))
