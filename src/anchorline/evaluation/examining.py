"""Gathers what the evaluators look at: one pass of each set, and detectors fitted on train."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from anchorline import detection
from anchorline.classifier import AdaptedClassifier, Views
from anchorline.evaluation.examined import Examined
from anchorline.evaluation.options import Options
from anchorline.evaluation.outcome import Outcome, outcome, outcomes
from anchorline.features import FeatureStore
from anchorline.measures.resampling import Resamples
from anchorline.suites.images import ImageSet, Progress
from anchorline.suites.suite import Suite

SYNTHETIC = 1000  # images of val, at most, from which synthetic outliers are made
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
        outcome(classifier, images, classifier.views(store, images)) if len(images) else nothing(said["test"])
        for images in (suite.train, suite.val)
    )
    known = _known(classifier, suite, store, train, val)
    names = None if len(suite.train) else UNFITTED
    scorers, left_out = detection.fit_all(known, names) if suite.outliers else ([], {})
    return Examined(
        classifier,
        suite,
        said,
        said if untouched is None else untouched,
        val if len(suite.val) else None,
        scorers,
        options or Options(),
        resamples or Resamples(),
    ), left_out


def _known(
    classifier: AdaptedClassifier, suite: Suite, store: FeatureStore, train: Outcome, val: Outcome
) -> detection.Known:
    """What detectors may be fitted on; empty where the suite has no train and val."""
    if suite.val.labels is not None and len(suite.val):
        # As many as are needed to choose, spread over val, whose images may be in the order of their classes.
        chosen = np.linspace(0, len(suite.val) - 1, min(len(suite.val), SYNTHETIC)).astype(np.int64)
        pixels, _ = store.pixels(classifier.encoder.geometry, suite.val)
        made = detection.outliers(pixels[chosen], suite.val.labels[chosen])
        unlike = ImageSet("synthetic outliers", suite.val.source, ())
        synthetic = outcome(classifier, unlike, classifier.views_of(made))
    else:
        synthetic = nothing(val)
    none = torch.zeros(0, classifier.captions.shape[1])
    head = classifier.view(Views(none, none))
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


def nothing(like: Outcome) -> Outcome:
    """What is said of no image."""
    return Outcome(like.logits[:0], like.cosines[:0], like.features[:0], torch.empty(0, dtype=torch.int64))
