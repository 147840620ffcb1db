"""Synthetic outliers."""

from __future__ import annotations

import numpy as np
import pytest

from anchorline.detectors import outliers
from anchorline.detectors.synthetic import mean, shuffle

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 16, 20, 3), dtype=np.uint8)
LABELS = np.array([0, 0, 0, 1, 1, 2])


def tiles(image: np.ndarray) -> list[bytes]:
    return sorted(image[4 * r : 4 * r + 4, 5 * c : 5 * c + 5].tobytes() for r in range(4) for c in range(4))


def test_shuffled_tiles_and_means_of_two_classes() -> None:
    made = outliers(PIXELS, LABELS)
    assert made.shape == (12, 16, 20, 3)
    assert made.dtype == np.uint8
    for before, after in zip(PIXELS, made[:6], strict=True):
        assert tiles(before) == tiles(after)
        assert not np.array_equal(before, after)
    for i, mixed in enumerate(made[6:]):
        partners = [j for j in range(6) if np.array_equal(mixed, mean(PIXELS[i], PIXELS[j]))]
        assert len(partners) == 1
        assert LABELS[partners[0]] != LABELS[i]


def test_the_mean_is_rounded_up() -> None:
    assert mean(np.array([[255, 0, 3]], np.uint8), np.array([[255, 1, 6]], np.uint8)).tolist() == [
        [255, 1, 5]
    ]


def test_what_becomes_of_an_image_does_not_depend_on_its_place() -> None:
    order = np.array([3, 1, 5, 0, 2, 4])
    made, turned = outliers(PIXELS, LABELS), outliers(PIXELS[order], LABELS[order])
    assert np.array_equal(turned[:6], made[:6][order])
    assert np.array_equal(turned[6:], made[6:][order])


def test_the_seed_counts() -> None:
    assert np.array_equal(outliers(PIXELS, LABELS, 1), outliers(PIXELS, LABELS, 1))
    assert not np.array_equal(outliers(PIXELS, LABELS, 1), outliers(PIXELS, LABELS, 2))


def test_sides_that_four_does_not_divide_keep_their_rest() -> None:
    image = RNG.integers(0, 256, (19, 22, 3), dtype=np.uint8)
    after = shuffle(image, b"12345678")
    assert tiles(image[:16, :20]) == tiles(after[:16, :20])
    assert np.array_equal(after[16:], image[16:])
    assert np.array_equal(after[:, 20:], image[:, 20:])


@pytest.mark.parametrize("label", [0, 3])
def test_one_class_gives_no_means(label: int) -> None:
    assert len(outliers(PIXELS, np.full(6, label))) == 6
