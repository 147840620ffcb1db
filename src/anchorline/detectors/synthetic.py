"""Synthetic outliers from images of known classes: for choosing hyper-parameters, never for reporting."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from anchorline.suites.images.rgb import Pixels

TILES = 4


def outliers(pixels: Pixels, labels: npt.NDArray[np.int64], seed: int = 0) -> Pixels:
    """uint8 [N, H, W, 3] and int64 [N] -> uint8 [2N, H, W, 3]: each image with its 4 x 4 tiles shuffled, then
    the mean of each image and one of another class. [N, H, W, 3] where there is one class only.

    What an image is made into does not depend on its place: the shuffle is seeded by its pixels, and its
    partner is the next image of another class in the order of hashes of the pixels.
    """
    digests = [blake2b(image.tobytes(), key=str(seed).encode(), digest_size=8).digest() for image in pixels]
    shuffled = [shuffle(image, digest) for image, digest in zip(pixels, digests, strict=True)]
    if (labels == labels[0]).all():
        return np.stack(shuffled)
    order = sorted(range(len(pixels)), key=digests.__getitem__)
    mixed = np.empty_like(pixels)
    for place, index in enumerate(order):
        others = (order[(place + step) % len(order)] for step in range(1, len(order)))
        partner = next(other for other in others if labels[other] != labels[index])
        mixed[index] = mean(pixels[index], pixels[partner])
    return np.concatenate([np.stack(shuffled), mixed])


def shuffle(image: Pixels, digest: bytes) -> Pixels:
    """uint8 [H, W, 3] with its tiles in another order; rows and columns that do not fill a tile stay."""
    height, width = image.shape[0] // TILES, image.shape[1] // TILES
    whole = image[: TILES * height, : TILES * width]
    tiles = whole.reshape(TILES, height, TILES, width, 3).swapaxes(1, 2).reshape(-1, height, width, 3)
    order = np.random.default_rng(list(digest)).permutation(len(tiles))
    tiles = tiles[order].reshape(TILES, TILES, height, width, 3).swapaxes(1, 2)
    result = image.copy()
    result[: TILES * height, : TILES * width] = tiles.reshape(whole.shape)
    return result


def mean(a: Pixels, b: Pixels) -> Pixels:
    """The mean of two images, rounded up."""
    return ((a.astype(np.uint16) + b + 1) // 2).astype(np.uint8)
