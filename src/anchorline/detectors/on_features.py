"""Detectors that read features, with the last linear layer where they need logits.

Each `fit(data, …)` gives a score, higher for in-distribution images.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anchorline.detectors.base import Score, Space, UnfitError, drawn, library
from anchorline.detectors.evidence import FitData

# Training images that neighbours are looked for among. The papers of KNN and NNGuide take 1 % of ImageNet's.
BANK = 10_000


def bank(data: FitData) -> tuple[Tensor, Tensor]:
    """Features float32 [M, D] and labels [M] of at most `BANK` training images, a seeded random choice."""
    rows = drawn(len(data.train_labels), BANK)
    return data.train.features[rows].float(), data.train_labels[rows]


def linear(data: FitData, dtype: torch.dtype) -> nn.Linear:
    """The last linear layer: features [N, D] -> logits [N, C]."""
    classes, width = data.weight.shape
    layer = nn.Linear(width, classes, dtype=dtype).requires_grad_(False)
    layer.weight.copy_(data.weight)
    layer.bias.copy_(data.bias)
    return layer


def _of_maps(data: FitData) -> nn.Module:
    return nn.Sequential(nn.Flatten(), linear(data, torch.float64))


def _maps(features: Tensor) -> Tensor:
    """[N, D] -> [N, D, 1, 1], float64: pooled features as the feature maps that pytorch-ood wants."""
    return features.double()[:, :, None, None]


def knn(data: FitData, k: int) -> Score:
    """Exact neighbours by scikit-learn's brute force, in chunks and with the threads of OpenMP."""
    features, labels = bank(data)
    detector = library().KNN(None, k=min(k, len(labels)), algorithm="brute").fit_features(features, labels)
    return lambda evidence: -detector.predict_features(evidence.features.float())


def knn_space(data: FitData) -> Space:
    """pytorch-ood's, and 1 and 10 for few images; at most as many as there are."""
    most = min(BANK, len(data.train_labels))
    return {"k": [k for k in (1, 10, *library().KNN.hyperparameter_space["k"]) if k <= most]}


def nnguide(data: FitData, k: int) -> Score:
    features, labels = bank(data)
    detector = library().NNGuide(None, linear(data, torch.float32), k=min(k, len(labels)))
    detector.fit_features(features, labels)
    return lambda evidence: -detector.predict_features(evidence.features.float())


def nnguide_space(data: FitData) -> Space:
    """Around the paper's k = 10; at most as many as there are images."""
    return {"k": [k for k in (1, 10, 100) if k <= len(data.train_labels)]}


def vim(data: FitData, d: int) -> Score:
    detector = library().ViM(None, min(d, _rank(data) - 1), data.weight, data.bias)
    detector.fit_features(data.train.features, data.train_labels)
    return lambda evidence: -detector.predict_features(evidence.features)


def vim_space(data: FitData) -> Space:
    """pytorch-ood's, below the rank of the training features: above, no residual is left to measure."""
    rank = _rank(data)
    if rank < 2:
        raise UnfitError("ViM needs two training images or more; add images")
    return {"d": [d for d in library().ViM.hyperparameter_space["d"] if d < rank] or [rank // 2]}


def _rank(data: FitData) -> int:
    return min(data.train.features.shape)


def react(data: FitData, percentile: float) -> Score:
    """The paper clips activations after a ReLU. Ours are the encoder's outputs, of either sign: the threshold
    is the percentile of them all, and only the upper side is clipped."""
    features, labels = bank(data)
    detector = library().ReAct(None, _of_maps(data), percentile=percentile)
    detector.fit_feature_maps(_maps(features), labels)
    return lambda evidence: -detector.predict_feature_maps(_maps(evidence.features))


def react_space(data: FitData) -> Space:
    """pytorch-ood's."""
    space: Space = library().ReAct.hyperparameter_space
    return space


def ash(data: FitData, percentile: float) -> Score:
    """ASH-S. The paper prunes activations after a ReLU, where the smallest are those nearest to zero. Ours
    are the encoder's outputs, of either sign: large negative ones are pruned too, and the scaling exp(sum
    before / sum after) may be below 1."""
    detector = library().ASH(None, _of_maps(data), percentile=percentile)
    return lambda evidence: -detector.predict_feature_maps(_maps(evidence.features))


def ash_space(data: FitData) -> Space:
    """pytorch-ood's, where one activation or more is kept."""
    width = data.weight.shape[1]
    space = library().ASH.hyperparameter_space["percentile"]
    return {"percentile": [p for p in space if round(width * p) < width] or [0.0]}


def she(data: FitData) -> Score:
    """A class without a rightly classified training image has the mean of all its images as its pattern;
    pytorch-ood's fit would stop there."""
    features, labels = data.train.features.double(), data.train_labels
    right = data.train.logits.argmax(1) == labels
    some_right = torch.zeros(len(data.classes), dtype=torch.bool).index_fill(0, labels[right], True)
    kept = right | ~some_right[labels]
    detector = library().SHE(None, linear(data, torch.float64))
    detector.patterns = class_means(features[kept], labels[kept], len(data.classes))
    return lambda evidence: -detector.predict_features(evidence.features.double())


def fdbd(data: FitData) -> Score:
    """With one class there is no boundary, and all images score alike."""
    if len(data.classes) == 1:
        return lambda evidence: torch.zeros(len(evidence.features))
    kind: Any = library().fDBD

    class Distances(kind):  # type: ignore[misc]
        def _precompute_denom_matrix(self) -> None:
            """The library holds all differences of class vectors at once: 2 GB for 1,000 classes x 512."""
            weight = self.head.weight.double()
            apart = torch.cdist(weight, weight, compute_mode="donot_use_mm_for_euclid_dist")
            # Between a class and itself, or its twin, there is no boundary: 0 / inf adds nothing.
            self._denom_matrix = apart.masked_fill(apart == 0, torch.inf).float()

    detector = Distances(None, linear(data, torch.float32)).fit_features(data.train.features)
    return lambda evidence: -detector.predict_features(evidence.features)


def class_means(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """[N, D], [N] -> [C, D]; every class occurs."""
    sums = torch.zeros(classes, features.shape[1], dtype=features.dtype).index_add(0, labels, features)
    return sums / labels.bincount(minlength=classes)[:, None]
