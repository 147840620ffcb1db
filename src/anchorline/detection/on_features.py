"""Detectors that read features, with the last linear layer where they need logits.

Each `fit(known, …)` gives a score, higher for in-distribution images.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anchorline.detection.evidence import Known
from anchorline.detection.fitting import Score, Space, UnfitError, drawn
from anchorline.detection.library import detectors

# Training images that neighbours are looked for among. The papers of KNN and NNGuide take 1 % of ImageNet's.
BANK = 10_000


def bank(known: Known) -> tuple[Tensor, Tensor]:
    """Features float32 [M, D] and labels [M] of at most `BANK` training images, a seeded random choice."""
    rows = drawn(len(known.train_labels), BANK)
    return known.train.features[rows].float(), known.train_labels[rows]


def linear(known: Known, dtype: torch.dtype) -> nn.Linear:
    """The last linear layer: features [N, D] -> logits [N, C]."""
    classes, width = known.weight.shape
    layer = nn.Linear(width, classes, dtype=dtype).requires_grad_(False)
    layer.weight.copy_(known.weight)
    layer.bias.copy_(known.bias)
    return layer


def _of_maps(known: Known) -> nn.Module:
    return nn.Sequential(nn.Flatten(), linear(known, torch.float64))


def _maps(features: Tensor) -> Tensor:
    """[N, D] -> [N, D, 1, 1], float64: pooled features as the feature maps that pytorch-ood wants."""
    return features.double()[:, :, None, None]


def knn(known: Known, k: int) -> Score:
    """Exact neighbours by scikit-learn's brute force, in chunks and with the threads of OpenMP."""
    features, labels = bank(known)
    detector = detectors().KNN(None, k=min(k, len(labels)), algorithm="brute").fit_features(features, labels)
    return lambda evidence: -detector.predict_features(evidence.features.float())


def knn_space(known: Known) -> Space:
    """pytorch-ood's, and 1 and 10 for few images; at most as many as there are."""
    most = min(BANK, len(known.train_labels))
    return {"k": [k for k in (1, 10, *detectors().KNN.hyperparameter_space["k"]) if k <= most]}


def nnguide(known: Known, k: int) -> Score:
    features, labels = bank(known)
    detector = detectors().NNGuide(None, linear(known, torch.float32), k=min(k, len(labels)))
    detector.fit_features(features, labels)
    return lambda evidence: -detector.predict_features(evidence.features.float())


def nnguide_space(known: Known) -> Space:
    """Around the paper's k = 10; at most as many as there are images."""
    return {"k": [k for k in (1, 10, 100) if k <= len(known.train_labels)]}


def vim(known: Known, d: int) -> Score:
    detector = detectors().ViM(None, min(d, _rank(known) - 1), known.weight, known.bias)
    detector.fit_features(known.train.features, known.train_labels)
    return lambda evidence: -detector.predict_features(evidence.features)


def vim_space(known: Known) -> Space:
    """pytorch-ood's, below the rank of the training features: above, no residual is left to measure."""
    rank = _rank(known)
    if rank < 2:
        raise UnfitError("ViM needs two training images or more; add images")
    return {"d": [d for d in detectors().ViM.hyperparameter_space["d"] if d < rank] or [rank // 2]}


def _rank(known: Known) -> int:
    return min(known.train.features.shape)


def react(known: Known, percentile: float) -> Score:
    """The paper clips activations after a ReLU. Ours are the encoder's outputs, of either sign: the threshold
    is the percentile of them all, and only the upper side is clipped."""
    features, labels = bank(known)
    detector = detectors().ReAct(None, _of_maps(known), percentile=percentile)
    detector.fit_feature_maps(_maps(features), labels)
    return lambda evidence: -detector.predict_feature_maps(_maps(evidence.features))


def react_space(known: Known) -> Space:
    """pytorch-ood's."""
    space: Space = detectors().ReAct.hyperparameter_space
    return space


def ash(known: Known, percentile: float) -> Score:
    """ASH-S. The paper prunes activations after a ReLU, where the smallest are those nearest to zero. Ours
    are the encoder's outputs, of either sign: large negative ones are pruned too, and the scaling exp(sum
    before / sum after) may be below 1."""
    detector = detectors().ASH(None, _of_maps(known), percentile=percentile)
    return lambda evidence: -detector.predict_feature_maps(_maps(evidence.features))


def ash_space(known: Known) -> Space:
    """pytorch-ood's, where one activation or more is kept."""
    width = known.weight.shape[1]
    space = detectors().ASH.hyperparameter_space["percentile"]
    return {"percentile": [p for p in space if round(width * p) < width] or [0.0]}


def she(known: Known) -> Score:
    """A class without a rightly classified training image has the mean of all its images as its pattern;
    pytorch-ood's fit would stop there."""
    features, labels = known.train.features.double(), known.train_labels
    right = known.train.logits.argmax(1) == labels
    some_right = torch.zeros(len(known.classes), dtype=torch.bool).index_fill(0, labels[right], True)
    kept = right | ~some_right[labels]
    detector = detectors().SHE(None, linear(known, torch.float64))
    detector.patterns = class_means(features[kept], labels[kept], len(known.classes))
    return lambda evidence: -detector.predict_features(evidence.features.double())


def fdbd(known: Known) -> Score:
    """With one class there is no boundary, and all images score alike."""
    if len(known.classes) == 1:
        return lambda evidence: torch.zeros(len(evidence.features))
    kind: Any = detectors().fDBD

    class Distances(kind):  # type: ignore[misc]
        def _precompute_denom_matrix(self) -> None:
            """The library holds all differences of class vectors at once: 2 GB for 1,000 classes x 512."""
            weight = self.head.weight.double()
            apart = torch.cdist(weight, weight, compute_mode="donot_use_mm_for_euclid_dist")
            # Between a class and itself, or its twin, there is no boundary: 0 / inf adds nothing.
            self._denom_matrix = apart.masked_fill(apart == 0, torch.inf).float()

    detector = Distances(None, linear(known, torch.float32)).fit_features(known.train.features)
    return lambda evidence: -detector.predict_features(evidence.features)


def class_means(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """[N, D], [N] -> [C, D]; every class occurs."""
    sums = torch.zeros(classes, features.shape[1], dtype=features.dtype).index_add(0, labels, features)
    return sums / labels.bincount(minlength=classes)[:, None]
