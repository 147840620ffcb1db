"""What is wrong with folders of images and masks is told in a sentence with a path."""

import re
import shutil

import numpy as np
import pytest
from PIL import Image

from anchorline.errors import UserError
from anchorline.suites.masks.suite import SegmentationSuite
from tests.helpers.masked import BLOCKS, error, write_set


def spoil_mode(mode):
    def spoil(root):
        path = root / "masks" / "01.png"
        image = Image.open(path)
        pixels = np.array(image)
        image = Image.fromarray(pixels.astype(np.uint16)) if mode == "I;16" else image.convert(mode)
        image.save(path)

    return spoil


def spoil_index(root):
    Image.fromarray(np.full((12, 10), 7, np.uint8)).save(root / "masks" / "01.png")


def spoil_size(root):
    Image.fromarray(np.ones((10, 12), np.uint8)).save(root / "masks" / "01.png")


MISTAKES = {
    "no masks folder": (lambda root: shutil.rmtree(root / "masks"), "holds no folder masks"),
    "no images": (
        lambda root: [path.unlink() for path in (root / "images").iterdir()],
        "holds no images; lay them out",
    ),
    "missing mask": (lambda root: (root / "masks" / "01.png").unlink(), r"images/01.png has no mask;"),
    "lossy mask": (
        lambda root: (root / "masks" / "01.png").rename(root / "masks" / "01.jpg"),
        r"01.jpg is no PNG",
    ),
    "two images of one name": (
        lambda root: shutil.copy(root / "images" / "01.png", root / "images" / "01.bmp"),
        "both 01.bmp and 01.png",
    ),
    "other size": (spoil_size, r"01.png has 12 x 10 pixels and the image 10 x 12"),
    "colour": (spoil_mode("RGB"), r"masks/01.png is in colour \(RGB\)"),
    "16 bits": (spoil_mode("I;16"), "masks/01.png is grey in 16 bits"),
    "1 bit": (spoil_mode("1"), "masks/01.png is black and white"),
    "index": (spoil_index, "masks/01.png holds the index 7, and there are 3 classes"),
    "broken mask": (
        lambda root: (root / "masks" / "01.png").write_bytes(b"x"),
        "masks/01.png cannot be read",
    ),
    "broken image": (lambda root: (root / "images" / "01.png").write_bytes(b"x"), "images/01.png is not an"),
}


@pytest.mark.parametrize("which", ["train", "test"])
@pytest.mark.parametrize(("spoil", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_what_is_wrong_with_a_set_is_one_sentence_with_its_path(folders, spoil, expected, which):
    spoil(folders[which])
    message = error(**folders)
    assert str(folders[which]) in message
    assert re.search(expected, message), message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "there is no "),
        ("ground\n\ncat\n", "line 2 of .* is blank"),
        ("ground\ncat\ncat\n", "names 'cat' on line 2 and on line 3"),
        ("ground\n", "names 1 of the 2 to 255"),
        ("\n".join(map(str, range(256))), "names 256 of the 2 to 255"),
    ],
)
def test_what_is_wrong_with_classes_txt(folders, text, expected):
    file = folders["train"] / "classes.txt"
    file.unlink()
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError, match=expected):
        SegmentationSuite.from_folders(**folders)


def test_masks_of_black_and_white_levels_are_refused(folders):
    for path in (folders["train"] / "masks").iterdir():
        Image.fromarray(np.where(np.array(Image.open(path)) == 1, 255, 0).astype(np.uint8)).save(path)
    assert "hold no class but 'ground'" in error(**folders)


def test_no_folder_and_bad_names(folders, tmp_path):
    assert "does not exist" in error(train=tmp_path / "none", test=folders["test"])
    assert "a shift is named 'val'" in error(**folders, shifts={"val": folders["test"]})
    one = write_set(tmp_path / "one", 1, BLOCKS)
    assert "train holds one image" in error(train=one, test=folders["test"])
