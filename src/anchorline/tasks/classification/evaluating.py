"""`evaluate`: one classifier, on any images of its classes."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.classifier.runs import configuration_hash, request_of
from anchorline.encoders.features import FeatureStore, suite_features
from anchorline.engine.progress import Narrator, Silent
from anchorline.errors import UserError
from anchorline.evaluation.base import Options
from anchorline.evaluation.collect import collect
from anchorline.evaluation.evaluators.corruption import corruption
from anchorline.evaluation.evaluators.table import measure
from anchorline.evaluation.outputs import collect_outputs
from anchorline.methods.table import METHODS
from anchorline.metric import UNTOUCHED, Provenance, table_of
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.facts import origin


def evaluate(
    classifier: AdaptedClassifier,
    suite: Suite,
    *,
    options: Options | None = None,
    store: FeatureStore | None = None,
    narrator: Narrator | None = None,
) -> pd.DataFrame:
    """Measure a classifier on the test set, the shifts and the outlier sets of a suite.

    One row a number, with the columns of results.csv. `Suite.for_classes` makes a suite of folders without
    train and val; what must be fitted on those is then left out. Raises `UserError` if the suite has other
    classes than the classifier, or images that cannot be read.
    """
    if classifier.classes != suite.classes:
        ours, theirs = set(classifier.classes), set(suite.classes)
        raise UserError(
            f"the classifier ({classifier.method.name}) knows other classes than {suite.name}: only it has "
            f"{sorted(ours - theirs)[:5]}, only the images have {sorted(theirs - ours)[:5]}; "
            "give images of its classes"
        )
    narrator, store, options = narrator or Silent(), store or FeatureStore(), options or Options()
    options.columns_of_subsets(suite.classes)  # a mistake shows before the long work
    learnt = [name for name, images in (("train", suite.train), ("val", suite.val)) if len(images)]
    suite, _ = suite_features(store, classifier.encoder, suite, narrator.bar, {"train", "val"} - set(learnt))
    for note in suite.notes:
        narrator.say(f"note: {note}")
    untouched = replace(
        classifier, method=METHODS[UNTOUCHED], tuned={}, alpha=0.0, templates=classifier.encoder.templates
    )
    untouched = replace(
        untouched,
        captions=store.classes(classifier.encoder, classifier.classes, untouched.templates).vectors,
    )
    evaluation, left_out = collect(
        classifier,
        suite,
        store,
        untouched=collect_outputs(untouched, suite, store, narrator.bar),
        options=options,
        progress=narrator.bar,
    )
    for name, reason in left_out.items():
        narrator.say(f"note: {name} is left out: {reason}")
    metrics = measure(evaluation)
    metrics += corruption(
        classifier, suite, options.corruptions, store, lambda title: narrator.bar(title, "sets")
    )
    return table_of(origin_of(suite, classifier).rows(metrics))


def origin_of(suite: Suite, classifier: AdaptedClassifier) -> Provenance:
    """What the figures of a classifier on a suite come from."""
    asked = configuration_hash(request_of(classifier))
    return origin(suite, classifier.encoder, classifier.method.name, classifier.seed, asked)
