"""Composed scenes, and masks that belong to them."""

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from anchorline.suites.masks.grounds import ground
from anchorline.suites.masks.scenes import CLASSES, SIZE, compose, cut_out, scenes, silhouette

PINNED = {
    "train": "aed294ba81990bc6",
    "val": "e3d27d7fd30434f7",
    "test": "ca9a3aa88b90c2ed",
    "filled": "ae0112841e258e08",
    "duotone": "f9efa868f7f3857b",
    "colour": "adbdc5d1ee317c1e",
    "emoji": "5a454b07782b370d",
    "pixel": "48020c2fb206d1b9",
    "hand-drawn": "74229bc48e2df8be",
}


@pytest.fixture(scope="module")
def few():
    return scenes(train=12, val=4, test=8, shift=6)


def test_the_suite_of_scenes(few):
    assert few.classes == ("background", *CLASSES)
    assert len(CLASSES) == len(set(CLASSES)) == 20
    assert list(few.shifts) == ["filled", "duotone", "colour", "emoji", "pixel", "hand-drawn"]
    for name, images in few.sets().items():
        pixels, masks = images.decoded(SIZE, SIZE)
        assert pixels.shape == (len(images), 128, 128, 3)
        assert masks.max() <= 20
        for mask in masks:
            things = len(np.unique(mask)) - 1
            assert 1 <= things <= 5, name
            assert 0.02 < (mask > 0).mean() < 0.9
    assert "hand-drawn: 6 scenes of 36 drawings of 20 of the 20 classes" in few.notes


def test_scenes_are_the_same_on_every_machine(few):
    for name, images in few.sets().items():
        digest = blake2b(digest_size=8)
        for i in range(3):
            digest.update(images.image(i).tobytes() + images.mask(i).tobytes())
        assert digest.hexdigest() == PINNED[name], name


def test_a_scene_does_not_depend_on_how_many_there_are_and_depends_on_the_seed(few):
    more = scenes(train=3, val=1, test=1, shift=9)
    other = scenes(1, train=3, val=1, test=1, shift=1)
    for i in range(3):
        assert np.array_equal(few.train.image(i), more.train.image(i))
        assert np.array_equal(few.train.mask(i), more.train.mask(i))
        assert not np.array_equal(few.train.mask(i), other.train.mask(i))
    assert not np.array_equal(few.train.mask(0), few.val.mask(0))


def blob(shape: tuple[int, int], level: int = 0) -> Image.Image:
    """A solid block in the middle of a white drawing."""
    pixels = np.full((64, 64, 3), 255, np.uint8)
    top, left = (64 - shape[0]) // 2, (64 - shape[1]) // 2
    pixels[top : top + shape[0], left : left + shape[1]] = level
    return Image.fromarray(pixels)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_ground_is_seen_where_the_mask_says_so_and_nowhere_else(seed):
    """What is drawn first is the ground: a mask that missed a pixel of a thing would show here."""
    drawings = {3: (blob((40, 40)),), 7: (blob((30, 50)), blob((50, 20)))}
    image, mask = compose(drawings, np.random.default_rng(seed))
    below = ground(SIZE, np.random.default_rng(seed))
    same = (image == below).all(axis=2)
    assert set(np.unique(mask)) <= {0, 3, 7}
    assert same[mask == 0].all()
    assert same[mask > 0].mean() < 0.01


def test_a_pixel_looks_like_the_thing_that_the_mask_names():
    """Black things and white ones in a black frame overlap; away from edges the levels tell them apart."""
    frame = blob((44, 44))
    frame.paste("white", (12, 12, 52, 52))
    overlaps = 0
    for seed in range(30):
        image, mask = compose({1: (blob((44, 44)),), 2: (frame,)}, np.random.default_rng(seed))
        levels = image.max(axis=2)
        assert (levels[binary_erosion(mask == 1)] < 130).all()
        assert (np.median(levels[binary_erosion(mask == 2)]) > 200) if (mask == 2).any() else True
        overlaps += binary_dilation(mask == 1)[mask == 2].any()
    assert overlaps > 5


def test_half_of_every_thing_stays_in_sight_nearly_always():
    """Squares of 40 pixels or more, of which so little is seen only where no place leaves more."""
    drawings = {index: (blob((40, 40)),) for index in range(1, 21)}
    lost = 0
    for seed in range(60):
        mask = compose(drawings, np.random.default_rng(seed))[1]
        lost += sum((mask == index).sum() < 700 for index in np.unique(mask) if index)
    assert lost <= 6


def test_a_silhouette_is_the_ink_and_what_it_encloses():
    ring = np.zeros((30, 30), bool)
    ring[5:25, 5:25] = True
    ring[8:22, 8:22] = False
    solid = np.zeros_like(ring)
    solid[5:25, 5:25] = True
    assert np.array_equal(silhouette(ring), solid)
    gap = ring.copy()
    gap[5:8, 14:16] = False  # two pixels wide
    assert silhouette(gap)[15, 15]
    gap[5:8, 10:20] = False
    assert not silhouette(gap)[15, 15]
    edge = np.ones((4, 9), bool)
    edge[1:3, 1:8] = False
    assert silhouette(edge).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), height=st.integers(8, 60), width=st.integers(8, 60))
def test_things_are_as_large_as_said(seed, height, width):
    levels, body = cut_out(blob((height, width)), np.random.default_rng(seed))
    assert levels.shape == (*body.shape, 3)
    assert 40 <= max(body.shape) <= 72
    for axis in (0, 1):  # a turned corner may be too faint for the mask
        seen = np.flatnonzero(body.any(axis=1 - axis))
        assert seen[-1] - seen[0] >= body.shape[axis] - 5
