"""A blend at every strength: what a little more or less of the pre-trained part would give."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.classifier.runs import request_of
from anchorline.encoders.features import FeatureStore
from anchorline.engine.jobs import identity_of
from anchorline.engine.progress import Narrator
from anchorline.evaluation.evaluators.summary import axes
from anchorline.evaluation.outputs import collect_outputs
from anchorline.methods.blends import ALPHAS
from anchorline.metric import AXES
from anchorline.suites.suite import Suite

COLUMNS = ["method", "seed", "alpha", "chosen", *AXES, "suite_hash", "config_hash"]


def alpha_curve(
    classifier: AdaptedClassifier, suite: Suite, store: FeatureStore, narrator: Narrator
) -> pd.DataFrame:
    """The three axes of a classifier at every strength of its blend; nothing is trained.

    Columns: method, seed, alpha (share of the pre-trained part), chosen (the one in use), id_accuracy,
    shift_accuracy, auroc (in percent), and the hashes of suite and configuration. A blend of weights makes a
    new encoder at each strength, through which all images pass.
    """
    hashes = {"suite_hash": suite.hash, "config_hash": identity_of(request_of(classifier))}
    found = []
    alphas = sorted({*ALPHAS, classifier.alpha})
    tell = narrator.bar(f"{classifier.method.name}, alpha", "strengths")
    with tempfile.TemporaryDirectory() as passing:  # nobody asks for these features again
        here = store.elsewhere(Path(passing))
        for number, alpha in enumerate(alphas, 1):
            candidate = classifier.at(alpha)
            metrics = axes(suite, collect_outputs(candidate, suite, here))
            found_axes = {m.metric: m.value for m in metrics if m.metric in AXES}
            where = {"method": classifier.method.name, "seed": classifier.seed, "alpha": alpha}
            found.append({**where, "chosen": alpha == classifier.alpha, **found_axes, **hashes})
            tell(number, len(alphas))
    return pd.DataFrame(found, columns=COLUMNS)
