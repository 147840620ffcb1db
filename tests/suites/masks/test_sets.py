"""Sets of images with masks, as they are and corrupted."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anchorline.suites.images.corruptions import corrupt
from tests.helpers.masked import held, random_set


def test_at_their_own_size_pixels_and_masks_are_untouched():
    images = random_set()
    pixels, masks = images.decoded(40, 48)
    assert all(np.array_equal(pixels[i], images.image(i)) for i in range(3))
    assert all(np.array_equal(masks[i], images.mask(i)) for i in range(3))
    assert (pixels.dtype, masks.dtype) == (np.uint8, np.uint8)


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 9))
def test_a_resized_mask_holds_no_class_that_was_not_there(height, width, seed):
    pixels, masks = random_set(2, seed=seed).decoded(height, width)
    assert pixels.shape == (2, height, width, 3)
    assert masks.shape == (2, height, width)
    assert set(np.unique(masks)) <= {0, 1, 2, 255}


def test_masks_stay_upon_their_images_when_resized():
    image = np.zeros((1, 60, 90, 3), np.uint8)
    image[:, 20:40, 30:75] = 255
    pixels, masks = held(image, (image[..., 0] > 0).astype(np.uint8)).decoded(30, 30)
    assert np.array_equal(pixels[..., 0] > 127, masks == 1)


def test_select_and_where():
    images = random_set().select(np.array([2, 0]))
    assert len(images) == 2
    assert images.where(0) == "held/2"
    assert np.array_equal(images.decoded(40, 48)[0][1], random_set().image(0))


def test_the_content_hash_knows_pixels_masks_order_and_corruption():
    images = random_set()
    other = random_set()
    other.source.masks[1, 0, 0] ^= 1
    hashes = {
        images.content_hash(),
        other.content_hash(),
        random_set(seed=1).content_hash(),
        images.select([1, 0, 2]).content_hash(),
        images.corrupted("fog", 1).content_hash(),
        images.corrupted("fog", 2).content_hash(),
    }
    assert len(hashes) == 6
    assert random_set().content_hash() == images.content_hash()


def test_large_arrays_lie_in_files():
    pixels, masks = random_set().decoded(40, 48, memory_limit=3 * 40 * 48 * 3)
    assert not isinstance(pixels, np.memmap)
    assert isinstance(masks, np.memmap)
    assert np.array_equal(masks, random_set().decoded(40, 48)[1])


def test_a_corruption_changes_what_the_model_sees_and_no_mask():
    images = random_set()
    clean, masks = images.decoded(32, 36)
    pixels, same = images.corrupted("gaussian_noise", 3).decoded(32, 36)
    assert np.array_equal(pixels, corrupt(clean, "gaussian_noise", 3))
    assert not np.array_equal(pixels, clean)
    assert np.array_equal(masks, same)
    assert np.array_equal(images.decoded(32, 36)[0], clean)  # nothing was changed in place


def test_one_corrupted_image_is_the_one_among_all():
    images = random_set().corrupted("brightness", 2)
    assert np.array_equal(images.image(1), images.decoded(40, 48)[0][1])
