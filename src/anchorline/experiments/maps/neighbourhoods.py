"""A space of image features: its map on a plane, and how well its neighbourhoods follow the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

K = 10  # neighbours
RESAMPLES = 2000  # of the bootstrap

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """How often neighbours are of one class, in percent, with its 95 % bootstrap interval over images."""

    value: float
    low: float
    high: float


def shares(points: Floats, labels: Labels, k: int = K) -> Floats:
    """For each point of [N, D] the share of its k nearest others (Euclidean) that have its label: [N]."""
    others = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False)
    return np.asarray((labels[others] == labels[:, None]).mean(1))


def agreement(points: Floats, labels: Labels, seed: int = 0, k: int = K) -> Agreement:
    """Leave-one-out agreement of the k nearest neighbours: the mean of `shares`.

    The bootstrap draws images anew (percentile interval) and keeps each one's neighbours: a copy of an image
    would otherwise be its own neighbour.
    """
    own = 100 * shares(points, labels, k)
    drawn = np.random.default_rng(seed).integers(len(own), size=(RESAMPLES, len(own)))
    low, high = np.percentile(own[drawn].mean(1), [2.5, 97.5])
    return Agreement(float(own.mean()), float(low), float(high))


def by_chance(labels: Labels) -> float:
    """The agreement, in percent, where neighbours are drawn blindly."""
    counts = np.unique_counts(labels).counts
    return float(100 * (counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))


def flattened(points: Floats, seed: int = 0) -> tuple[Floats, str]:
    """A map of [N, D] on a plane, [N, 2], and how it was made: "UMAP" (arXiv 1802.03426) or, where
    umap-learn is not installed, "PCA". The same points and seed give the same map."""
    try:
        from umap import UMAP
    except ImportError:
        return PCA(2, random_state=seed).fit_transform(points), "PCA"
    # One thread and a seed make it repeatable; it starts from the two principal components.
    reducer = UMAP(n_neighbors=min(15, len(points) - 1), init="pca", random_state=seed, n_jobs=1)
    return np.asarray(reducer.fit_transform(points)), "UMAP"
