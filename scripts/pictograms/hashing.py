"""A perceptual hash of drawings, to find the same drawing in two sets (forks, re-releases, generations)."""

from __future__ import annotations

import numpy as np
from scipy.fft import dctn

SIDE = 16  # lowest DCT frequencies kept along each axis; the hash has SIDE² bits


def perceptual_hash(rgb: np.ndarray) -> np.ndarray:
    """±1 int8 [256]: signs of the low DCT frequencies of the drawing cut to its bounding box.

    `rgb` is uint8 [H, W, 3], on white. Only darkness counts, so that a re-coloured copy keeps its hash.
    """
    ink = 1 - rgb.astype(np.float32).mean(-1) / 255
    rows, cols = np.flatnonzero(ink.max(1) > 0.1), np.flatnonzero(ink.max(0) > 0.1)
    if len(rows) and len(cols):
        ink = ink[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    # Box-average to 32 x 32: every source pixel counts.
    ys = np.linspace(0, ink.shape[0], 33)
    xs = np.linspace(0, ink.shape[1], 33)
    area = _integral(ink)
    small = _sample(area, ys[1:], xs[1:]) - _sample(area, ys[:-1], xs[1:])
    small += _sample(area, ys[:-1], xs[:-1]) - _sample(area, ys[1:], xs[:-1])
    frequencies = dctn(small, norm="ortho")[:SIDE, :SIDE].ravel()
    frequencies[0] = 0  # the mean says nothing of the shape
    return np.where(frequencies > np.median(frequencies[1:]), 1, -1).astype(np.int8)


def _integral(image: np.ndarray) -> np.ndarray:
    area = np.zeros((image.shape[0] + 1, image.shape[1] + 1), np.float64)
    area[1:, 1:] = image.cumsum(0).cumsum(1)
    return area


def _sample(area: np.ndarray, ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """The integral image at real coordinates, bilinear: [len(ys), len(xs)]."""
    y0 = np.minimum(ys.astype(int), area.shape[0] - 2)
    x0 = np.minimum(xs.astype(int), area.shape[1] - 2)
    dy, dx = (ys - y0)[:, None], (xs - x0)[None, :]
    top = area[y0][:, x0] * (1 - dx) + area[y0][:, x0 + 1] * dx
    bottom = area[y0 + 1][:, x0] * (1 - dx) + area[y0 + 1][:, x0 + 1] * dx
    return top * (1 - dy) + bottom * dy


def nearest(a: np.ndarray, b: np.ndarray, chunk: int = 4096) -> tuple[np.ndarray, np.ndarray]:
    """For each hash of `a` [N, 256] the smallest Hamming distance to `b` [M, 256] and its index."""
    best = np.full(len(a), 2 * SIDE * SIDE, np.int32)
    index = np.full(len(a), -1, np.int64)
    a32 = a.astype(np.float32)
    for start in range(0, len(b), chunk):
        agreement = a32 @ b[start : start + chunk].astype(np.float32).T
        j = agreement.argmax(1)
        distance = ((SIDE * SIDE - agreement[np.arange(len(a)), j]) / 2).astype(np.int32)
        better = distance < best
        best[better], index[better] = distance[better], start + j[better]
    return best, index
