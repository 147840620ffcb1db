"""Suites of images and masks from folders."""

import numpy as np
from PIL import Image

from anchorline.suites.masks.sets import MaskedSet
from anchorline.suites.masks.suite import SegmentationSuite
from tests.helpers.masked import BLOCKS, error, write_pair, write_set

DRAWN = ("03.png", "07.png")


def test_folders(folders, tmp_path):
    suite = SegmentationSuite.from_folders(**folders, shifts={"dusk": write_set(tmp_path / "dusk", 3)})
    assert suite.name == "pets"
    assert suite.classes == BLOCKS
    assert {name: len(images) for name, images in suite.sets().items()} == {
        "train": 8,
        "val": 2,
        "test": 4,
        "dusk": 3,
    }
    assert "val was split off train: 2 of its 10 images" in suite.notes
    for images in suite.sets().values():
        pixels, masks = images.decoded(12, 10)
        assert set(np.unique(masks)) <= {0, 1, 2, 255}
        assert ((pixels[..., 0] == 200) == (masks == 1)).all()
        assert ((pixels[..., 2] == 200) == (masks == 2)).all()
        assert (masks[:, 9] == 255).all()


def test_val_is_the_same_fifth_on_every_machine_and_shares_nothing_with_train(folders):
    def paths(images):
        return {images.where(i) for i in range(len(images))}

    suite, again = (SegmentationSuite.from_folders(**folders) for _ in range(2))
    assert paths(suite.val) == paths(again.val) == {str(folders["train"] / "images" / name) for name in DRAWN}
    assert not paths(suite.train) & paths(suite.val)
    assert len(paths(suite.train) | paths(suite.val)) == 10


def test_val_may_be_given(folders, tmp_path):
    suite = SegmentationSuite.from_folders(**folders, val=write_set(tmp_path / "val", 2))
    assert (len(suite.train), len(suite.val)) == (10, 2)
    assert not any("split" in note for note in suite.notes)


def test_a_set_with_its_own_classes_is_matched_by_name(folders, tmp_path):
    other = write_set(tmp_path / "other", 2, ("ground", "dog", "cat"))
    suite = SegmentationSuite.from_folders(**folders, shifts={"other": other})
    masks = suite.shifts["other"].decoded(12, 10)[1]
    assert masks[0, 3, 3] == BLOCKS.index("dog")
    assert masks[1, 3, 3] == BLOCKS.index("cat")
    assert masks[0, 9, 0] == 255
    assert suite.shifts["other"].content_hash() != MaskedSet("x", suite.test.source, (0, 1)).content_hash()
    (other / "classes.txt").write_text("ground\ndogs\ncat\n")
    assert "unknown class: 'dogs'" in error(**folders, shifts={"other": other})


def test_images_lie_at_any_depth_in_any_format_and_masks_may_be_grey(folders):
    mask = np.full((12, 10), 2, np.uint8)
    write_pair(folders["test"], "deep/er", mask, ".jpg")
    Image.fromarray(mask).save(folders["test"] / "masks" / "deep" / "er.png")
    (folders["test"] / "masks" / "README.txt").touch()
    suite = SegmentationSuite.from_folders(**folders)
    assert len(suite.test) == 5
    assert (suite.test.mask(4) == 2).all()


def test_a_mask_without_an_image_is_left_out_and_noted(folders):
    (folders["test"] / "images" / "00.png").unlink()
    suite = SegmentationSuite.from_folders(**folders)
    assert len(suite.test) == 3
    assert "test: 1 mask without an image left out" in suite.notes
