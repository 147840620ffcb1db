"""Mahalanobis and relative Mahalanobis distances, quick for many classes and sound for few images.

The distances are those of pytorch-ood's classes, which multiply by the precision once a class: 26 Tflop for
50,000 images x 1,000 classes x 512 dimensions. And they invert the plain scatter matrix in float32, which is
singular where images are fewer than dimensions, and poor where they are not many more. So val chooses
between it and the estimate that is shrunk towards a multiple of the identity as far as Ledoit & Wolf 2004
find best; where the plain one is singular there is no choice.
"""

from __future__ import annotations

from typing import Literal

import torch
from sklearn.covariance import ledoit_wolf
from torch import Tensor

from anchorline.detectors.base import Score, Space, UnfitError
from anchorline.detectors.evidence import FitData
from anchorline.detectors.on_features import class_means

Shrinkage = Literal["none", "ledoit-wolf"]
_SINGULAR = 1e-13  # of the largest eigenvalue: beyond float64


class Gaussian:
    """Means [K, D] with one covariance: that of the centred features [N, D].

    Raises `UnfitError` where all features lie at their means, or the covariance has no inverse.
    """

    def __init__(self, means: Tensor, centred: Tensor, shrinkage: Shrinkage) -> None:
        if not centred.any():
            raise UnfitError("the covariance needs a class with two different training images; add images")
        count, width = centred.shape
        if shrinkage == "none" and count - len(means) >= width:
            ridge = 1e-6 * torch.eye(width, dtype=centred.dtype)  # pytorch-ood's
            covariance = (centred.T @ centred + ridge) / count
        else:
            covariance = torch.from_numpy(ledoit_wolf(centred.numpy(), assume_centered=True)[0])
        eigenvalues = torch.linalg.eigvalsh(covariance)
        if not eigenvalues[0] > _SINGULAR * eigenvalues[-1]:  # two images of one class: nothing to shrink by
            raise UnfitError("the covariance of so few training images has no inverse; add images")
        self._root = torch.linalg.cholesky(torch.linalg.inv(covariance))
        self._means = means @ self._root

    def squared_distances(self, features: Tensor) -> Tensor:
        """[N, D] -> [N, K], float64."""
        return torch.cdist(features.double() @ self._root, self._means).square()


def space(data: FitData) -> Space:
    """The plain covariance only where it has an inverse."""
    plain = len(data.train_labels) - len(data.classes) >= data.train.features.shape[1]
    return {"shrinkage": ["none", "ledoit-wolf"] if plain else ["ledoit-wolf"]}


def _within(data: FitData, shrinkage: Shrinkage) -> Gaussian:
    """The mean of each class, and the covariance within classes, of the training images."""
    features, labels = data.train.features.double(), data.train_labels
    means = class_means(features, labels, len(data.classes))
    return Gaussian(means, features - means[labels], shrinkage)


def mahalanobis(data: FitData, shrinkage: Shrinkage) -> Score:
    """Half the squared distance to the nearest class mean, negated."""
    classes = _within(data, shrinkage)
    return lambda evidence: -classes.squared_distances(evidence.features).amin(1) / 2


def rmd(data: FitData, shrinkage: Shrinkage) -> Score:
    """The squared distance to the mean of all training images minus that to the nearest class mean."""
    classes = _within(data, shrinkage)
    features = data.train.features.double()
    mean = features.mean(0, keepdim=True)
    background = Gaussian(mean, features - mean, shrinkage)
    return lambda evidence: (
        background.squared_distances(evidence.features)[:, 0]
        - classes.squared_distances(evidence.features).amin(1)
    )
