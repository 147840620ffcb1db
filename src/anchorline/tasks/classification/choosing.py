"""What val chooses once training is done: the strength of a blend, and the threshold of confidence."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from anchorline.classifier.adapted import Classifier
from anchorline.encoders.features import FeatureStore
from anchorline.methods.blends import ALPHAS
from anchorline.methods.selection import LOWEST, val_score
from anchorline.metrics import scores
from anchorline.suites.suite import Suite


def blended(classifier: Classifier, suite: Suite, store: FeatureStore) -> Classifier:
    """At the strength of the blend with the best val accuracy; ties go to the lower cross-entropy."""
    assert suite.val.labels is not None
    labels = torch.from_numpy(suite.val.labels)
    best, highest = 0.0, LOWEST
    with tempfile.TemporaryDirectory() as passing:  # nobody asks for these features again
        here = store.elsewhere(Path(passing))
        for alpha in ALPHAS:
            found = val_score(_val_logits(classifier.at(alpha), suite, here), labels)
            if found > highest:
                best, highest = alpha, found
    return classifier.at(best)


def threshold(classifier: Classifier, suite: Suite, store: FeatureStore) -> float:
    """The highest maximum softmax probability that at least 95 % of the val images reach."""
    confidence = scores.msp(_val_logits(classifier, suite, store))
    lowest = float(confidence.sort(descending=True).values[math.ceil(0.95 * len(confidence)) - 1])
    return lowest * (1 - 1e-6)  # batches of another size round otherwise


def _val_logits(classifier: Classifier, suite: Suite, store: FeatureStore) -> Tensor:
    return classifier.logits(classifier.views(store, suite.val))
