"""A blend at every strength: what a little more or less of the pre-trained part would give."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.classifier.runs import configuration_hash, request_of
from anchorline.encoders.features import FeatureStore
from anchorline.engine.distributed import is_main_process
from anchorline.engine.progress import Narrator
from anchorline.engine.storage import write_text
from anchorline.evaluation.evaluators.summary import axes
from anchorline.evaluation.outputs import collect_outputs
from anchorline.methods.blends import ALPHAS
from anchorline.metric import AXES
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.facts import suite_hash

FILE = "alpha.csv"
COLUMNS = ["method", "seed", "alpha", "chosen", *AXES, "suite_hash", "config_hash"]


def alpha_curve(
    classifier: AdaptedClassifier, suite: Suite, store: FeatureStore, run: Path, narrator: Narrator
) -> pd.DataFrame:
    """The three axes of a classifier at every strength of its blend; nothing is trained.

    Columns: method, seed, alpha (share of the pre-trained part), chosen (the one in use), id_accuracy,
    shift_accuracy, auroc (in percent), and the hashes of suite and configuration. A blend of weights makes a
    new encoder at each strength, through which all images pass; the curve is kept in the run directory.
    """
    hashes = {"suite_hash": suite_hash(suite), "config_hash": configuration_hash(request_of(classifier))}
    kept = _kept(run / FILE, hashes)
    if kept is not None:
        return kept
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
    curve = pd.DataFrame(found, columns=COLUMNS)
    if is_main_process():
        write_text(run / FILE, curve.to_csv(index=False))
    return curve


def _kept(file: Path, hashes: dict[str, str]) -> pd.DataFrame | None:
    try:
        curve = pd.read_csv(file, dtype=dict.fromkeys(hashes, str))
        same = all((curve[name] == value).all() for name, value in hashes.items())
    except (OSError, ValueError, KeyError):
        return None
    return curve if same else None
