"""`evaluate`: one classifier, on any images of its classes."""

from __future__ import annotations

import pandas as pd

from anchorline.classifier.adapted import AdaptedClassifier, Classifier
from anchorline.classifier.runs import request_of
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.features import FeatureStore, suite_features
from anchorline.engine.jobs import identity_of
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
    evaluation, left_out = collect(
        classifier,
        suite,
        store,
        untouched=collect_outputs(
            untouched_classifier(classifier.encoder, classifier.classes, store), suite, store, narrator.bar
        ),
        options=options,
        progress=narrator.bar,
    )
    for name, reason in left_out.items():
        narrator.say(f"note: {name} is left out: {reason}")
    metrics = measure(evaluation)
    metrics += corruption(
        classifier, suite, options.corruptions, store, lambda title: narrator.bar(title, "sets")
    )
    measured_on = Provenance(
        suite.name, suite.hash, classifier.encoder.name, classifier.encoder.hash,
        classifier.method.name, classifier.seed, identity_of(request_of(classifier)),
    )  # fmt: skip
    return table_of(measured_on.rows(metrics))


def untouched_classifier(encoder: Encoder, classes: tuple[str, ...], store: FeatureStore) -> Classifier:
    """The encoder as it is, with all of its captions."""
    captions = store.classes(encoder, classes, encoder.templates).vectors
    return Classifier(
        encoder=encoder, method=METHODS[UNTOUCHED], classes=classes, templates=encoder.templates,
        captions=captions, tuned={}, alpha=0.0, seed=0,
    )  # fmt: skip
