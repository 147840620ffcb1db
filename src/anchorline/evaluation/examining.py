"""Gathers what the evaluators look at: one pass of each set, and detectors fitted on train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from anchorline import detection
from anchorline.classifier import AdaptedClassifier, FeaturePair
from anchorline.encoders.features import FeatureStore
from anchorline.engine.parallel import Progress
from anchorline.evaluation.examined import Examined
from anchorline.evaluation.options import Options
from anchorline.evaluation.outcome import Outcome, outcome, outcomes
from anchorline.measures.resampling import Resamples
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.rgb import Pixels
from anchorline.suites.suite import Suite

SYNTHETIC = 1000  # images of val, at most, from which synthetic outliers are made
FITTED = 50_000  # images of train, at most, that detectors are fitted on
UNFITTED = ("msp", "max-logit", "energy", "entropy", "mcm")  # detectors that need no train and no val


def examine(
    classifier: AdaptedClassifier,
    suite: Suite,
    store: FeatureStore,
    *,
    untouched: Mapping[str, Outcome] | None = None,
    options: Options | None = None,
    resamples: Resamples | None = None,
    progress: Callable[[str], Progress | None] = lambda name: None,
) -> tuple[Examined, dict[str, str]]:
    """One classifier with all that is to be looked at, and the detectors left out, with a reason.

    `untouched` is what the untouched encoder says of the same sets; None where this is the untouched one. A
    suite without train and val, as `Suite.for_classes` makes it, has only detectors that need no fitting.
    """
    said = outcomes(classifier, suite, store, progress)
    train, val = (
        _at_most(FITTED, classifier, images, store) if len(images) else nothing(said["test"])
        for images in (suite.train, suite.val)
    )
    options = options or Options()
    if options.patches:
        for name, images in {"test": suite.test, **suite.outliers}.items():
            facing = replace(images, columns=suite.test.columns)  # the classes that test does
            said[name] = _with_patches(classifier, facing, said[name], store)
        val = _with_patches(classifier, suite.val, val, store)
    scorers: list[detection.Scorer] = []
    left_out: dict[str, str] = {}
    if suite.outliers:
        known = _known(classifier, suite, store, train, val)
        scorers, left_out = detection.fit_all(known, None if len(suite.train) else UNFITTED)
    return Examined(
        classifier,
        suite,
        said,
        said if untouched is None else untouched,
        val if len(suite.val) else None,
        scorers,
        options,
        resamples or Resamples(),
    ), left_out


def _at_most(most: int, classifier: AdaptedClassifier, images: ImageSet, store: FeatureStore) -> Outcome:
    """What is said of a set, or of so many of its images, evenly spread: logits of all take memory."""
    views = classifier.views(store, images)
    if len(images) <= most:
        return outcome(classifier, images, views)
    rows = torch.linspace(0, len(images) - 1, most).long()
    part = FeaturePair(views.adapted[rows], views.untouched[rows])
    return outcome(classifier, images.select(rows.numpy()), part)


def _known(
    classifier: AdaptedClassifier, suite: Suite, store: FeatureStore, train: Outcome, val: Outcome
) -> detection.Known:
    """What detectors may be fitted on; empty where the suite has no train and val."""
    if suite.val.labels is not None and len(suite.val):
        # They face the classes that val does, as outliers face those of test.
        unlike = ImageSet("synthetic outliers", suite.val.source, (), columns=suite.val.columns)
        synthetic = outcome(classifier, unlike, _synthetic(classifier, suite.val, store))
    else:
        synthetic = nothing(val)
    none = torch.zeros(0, classifier.captions.shape[1])
    head = classifier.view(FeaturePair(none, none))
    return detection.Known(
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
        encode_words=lambda words: classifier.word_vectors(store, words),
    )


def _with_patches(
    classifier: AdaptedClassifier, images: ImageSet, said: Outcome, store: FeatureStore
) -> Outcome:
    """With the local part of GL-MCM, where the image tower has patches and the blend one kind of features."""
    if classifier.method.blend.needs_pretrained or not len(images):
        return said
    side = classifier.image_encoder
    captions = classifier.caption_vectors()
    sample = np.zeros((1, *side.geometry.size, 3), np.uint8)
    if detection.local_scores(side, sample, captions) is None:
        return said

    def compute(pixels: Pixels) -> Tensor:
        found = detection.local_scores(side, pixels, captions, images.columns)
        assert found is not None
        return found

    return replace(said, local=store.local(side, images, captions, compute))


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


def nothing(like: Outcome) -> Outcome:
    """What is said of no image."""
    return Outcome(like.logits[:0], like.cosines[:0], like.features[:0], torch.empty(0, dtype=torch.int64))
