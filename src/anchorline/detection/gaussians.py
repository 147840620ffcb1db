"""Mahalanobis and relative Mahalanobis distances, quick for many classes and sound for few images.

pytorch-ood's classes invert the plain float32 scatter matrix, singular where images are fewer than
dimensions, and multiply by it once a class: 26 Tflop for 50,000 images x 1,000 classes x 512 dimensions. The
distances here are the same; the covariance is shrunk towards a multiple of the identity as far as Ledoit &
Wolf 2004 find best, which for many images is not at all.
"""

from __future__ import annotations

import torch
from sklearn.covariance import ledoit_wolf
from torch import Tensor

from anchorline.detection.evidence import Known
from anchorline.detection.fitting import Score, UnfitError
from anchorline.detection.on_features import class_means


class Gaussian:
    """Means [K, D] with one covariance: that of the centred features [N, D]."""

    def __init__(self, means: Tensor, centred: Tensor) -> None:
        if not centred.any():
            raise UnfitError("the covariance needs a class with two different training images; add images")
        covariance, _ = ledoit_wolf(centred.numpy(), assume_centered=True)
        self.precision = torch.linalg.inv(torch.from_numpy(covariance))
        self._root = torch.linalg.cholesky(self.precision)
        self._means = means @ self._root

    def squared_distances(self, features: Tensor) -> Tensor:
        """[N, D] -> [N, K], float64."""
        return torch.cdist(features.double() @ self._root, self._means).square()


def within(known: Known) -> Gaussian:
    """The mean of each class, and the covariance within classes, of the training images."""
    features, labels = known.train.features.double(), known.train_labels
    means = class_means(features, labels, len(known.classes))
    return Gaussian(means, features - means[labels])


def mahalanobis(known: Known) -> Score:
    """Half the squared distance to the nearest class mean, negated."""
    classes = within(known)
    return lambda evidence: -classes.squared_distances(evidence.features).amin(1) / 2


def rmd(known: Known) -> Score:
    """The squared distance to the mean of all training images minus that to the nearest class mean."""
    classes = within(known)
    features = known.train.features.double()
    mean = features.mean(0, keepdim=True)
    background = Gaussian(mean, features - mean)
    return lambda evidence: (
        background.squared_distances(evidence.features)[:, 0]
        - classes.squared_distances(evidence.features).amin(1)
    )
