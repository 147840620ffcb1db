"""Sets of images with masks: folders, PASCAL as it lies on disk, composed scenes, corruptions."""

import re
import shutil
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion
from torchvision.datasets import VOCSegmentation

from anchorline.errors import UserError
from anchorline.suites.benchmarks.replicas import voc as replica
from anchorline.suites.images.corruptions import corrupt
from anchorline.suites.masks.grounds import TEXTURES, ground
from anchorline.suites.masks.scenes import CLASSES, SIZE, compose, cut_out, scenes, silhouette
from anchorline.suites.masks.sets import Arrays, MaskedSet
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.suites.masks.voc import READERS
from anchorline.tasks.segmentation.comparing import PAPER_FOUR, corrupted_sets

BLOCKS = ("ground", "cat", "dog")
DRAWN = ("03.png", "07.png")
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


def held(images: np.ndarray, masks: np.ndarray, name: str = "test") -> MaskedSet:
    return MaskedSet(name, Arrays(images, masks, "held"), tuple(range(len(images))))


def random_set(count: int = 3, height: int = 40, width: int = 48, seed: int = 0) -> MaskedSet:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, height, width, 3), np.uint8)
    return held(images, rng.choice(np.array([0, 1, 2, 255], np.uint8), (count, height, width)))


# Sets


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


# Corruptions


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


def test_corrupted_test_sets_by_name():
    suite = SegmentationSuite("s", BLOCKS, random_set(), random_set(), random_set())
    sets = corrupted_sets(suite)
    assert len(sets) == len(PAPER_FOUR) * 5
    assert sets["fog/3"].corruption == ("fog", 3)
    assert sets["fog/3"].name == "fog/3"
    assert list(corrupted_sets(suite, ["brightness"], [2, 4])) == ["brightness/2", "brightness/4"]
    with pytest.raises(UserError, match=r"no corruption 'fogg'.*'fog'"):
        suite.test.corrupted("fogg", 1)


# Folders


def write_pair(root: Path, stem: str, mask: np.ndarray, suffix: str = ".png") -> None:
    """A picture in which class 0 is black, class 1 red, class 2 blue; and its mask, with a palette."""
    for inner in ("images", "masks"):
        (root / inner / stem).parent.mkdir(parents=True, exist_ok=True)
    colours = np.zeros((256, 3), np.uint8)
    colours[1], colours[2] = (200, 0, 0), (0, 0, 200)
    Image.fromarray(colours[mask]).save(root / "images" / f"{stem}{suffix}")
    picture = Image.fromarray(mask)
    picture.putpalette(colours.ravel().tolist())
    picture.save(root / "masks" / f"{stem}.png")


def write_set(root: Path, count: int, classes: tuple[str, ...] | None = None) -> Path:
    for number in range(count):
        mask = np.zeros((12, 10), np.uint8)
        mask[2:6, 2:8] = 1 + number % 2
        mask[9, :] = 255
        write_pair(root, f"{number:02}", mask)
    if classes:
        (root / "classes.txt").write_text("\n".join(classes) + "\n")
    return root


@pytest.fixture
def folders(tmp_path):
    return {
        "train": write_set(tmp_path / "pets", 10, BLOCKS),
        "test": write_set(tmp_path / "test", 4),
    }


def error(**arguments) -> str:
    def read():
        for images in SegmentationSuite.from_folders(**arguments).sets().values():
            images.decoded(8, 8)

    with pytest.raises(UserError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    return message


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


# PASCAL


@pytest.fixture(scope="module")
def pascal(tmp_path_factory):
    root = tmp_path_factory.mktemp("pascal")
    replica.write(root)
    return root


@pytest.fixture
def copied(pascal, tmp_path):
    return shutil.copytree(pascal, tmp_path / "copy")


@pytest.mark.parametrize(
    ("name", "classes"), [("voc2012", 21), ("pascal-context", 60), ("pascal-person-part", 7)]
)
def test_the_readers(pascal, name, classes):
    suite = READERS[name](pascal)
    assert suite.name == name
    assert len(suite.classes) == len(set(suite.classes)) == classes
    assert suite.classes[0] == "background"
    assert (len(suite.train), len(suite.val), len(suite.test)) == (16, 4, 6)
    assert any("lists 20 images; the published list has" in note for note in suite.notes)
    found = set()
    for images in suite.sets().values():
        pixels, masks = images.decoded(40, 48)
        found |= set(np.unique(masks).tolist())
        for i in range(len(images)):
            assert Path(images.where(i)).name[:4] in {"2007", "2008", "2009"}
        colours = np.array(replica.palette(), np.uint8).reshape(256, 3)
        assert np.abs(pixels - (40.0 + 0.7 * colours[masks])).mean() < 25  # masks lie on their images
    assert (255 in found) == (name == "voc2012")  # its outlines are void
    assert found - {255} <= set(range(classes))
    assert len(found) > 6


def test_voc_is_read_as_torchvision_reads_it(pascal):
    suite = READERS["voc2012"](pascal)
    theirs = VOCSegmentation(pascal, year="2012", image_set="val")
    assert len(theirs) == len(suite.test)
    for i, (image, mask) in enumerate(theirs):
        assert suite.test.where(i) == theirs.images[i]
        assert np.array_equal(suite.test.image(i), np.array(image))
        assert np.array_equal(suite.test.mask(i), np.array(mask))


def test_the_devkit_itself_may_be_given(pascal):
    whole = READERS["voc2012"](pascal).test.content_hash()
    for inner in ("VOCdevkit", "VOCdevkit/VOC2012"):
        assert READERS["voc2012"](pascal / inner).test.content_hash() == whole
    parts = [READERS["pascal-person-part"](root) for root in (pascal, pascal / "VOCdevkit" / "VOC2010")]
    assert parts[0].test.content_hash() == parts[1].test.content_hash()


def test_person_part_lists_in_either_form(copied):
    lists = copied / "pascal_person_part" / "pascal_person_part_trainval_list"
    whole = READERS["pascal-person-part"](copied).train.content_hash()
    shutil.copy(lists / "train_id.txt", lists / "train.txt")
    assert READERS["pascal-person-part"](copied).train.content_hash() == whole


def refused(name: str, root: Path) -> str:
    with pytest.raises(UserError) as caught:
        READERS[name](root)
    return str(caught.value)


def test_a_wrong_or_half_extracted_directory_is_explained(copied):
    devkit = copied / "VOCdevkit"
    (devkit / "VOC2012" / "JPEGImages" / "2007_000003.jpg").unlink()
    message = refused("voc2012", copied)
    assert "JPEGImages lacks 1 of the 20 images that train.txt lists, the first is 2007_000003.jpg" in message

    shutil.rmtree(devkit / "VOC2012" / "SegmentationClass")
    assert "there is no folder" in refused("voc2012", copied)
    assert "holds VOC2010, and this needs VOC2012" in refused("voc2012", devkit / "VOC2010")
    shutil.rmtree(devkit / "VOC2012")
    assert "holds VOC2010, and this needs VOC2012" in refused("voc2012", copied)

    masks = devkit / "VOC2010" / "SegmentationClassContext"
    (masks / "2008_000001.png").unlink()
    assert "lacks 1 of the 20 masks" in refused("pascal-context", copied)
    (devkit / "VOC2010" / "ImageSets" / "SegmentationContext" / "val.txt").write_text("\n")
    (masks / "2008_000001.png").write_bytes((masks / "2008_000002.png").read_bytes())
    assert "val.txt is empty" in refused("pascal-context", copied)
    shutil.rmtree(masks)
    assert "pascal_context.py" in refused("pascal-context", copied)

    shutil.rmtree(copied / "pascal_person_part")
    assert "extract pascal_person_part.zip there" in refused("pascal-person-part", copied)


def test_an_archive_that_is_not_extracted(tmp_path):
    assert "holds no VOCdevkit/VOC2012/JPEGImages" in refused("voc2012", tmp_path)
    (tmp_path / "VOCtrainval_11-May-2012.tar").touch()
    assert "is not extracted" in refused("voc2012", tmp_path)


def test_the_replica_is_the_same_each_time(pascal, tmp_path):
    replica.write(tmp_path)
    files = sorted(path.relative_to(pascal) for path in pascal.rglob("*") if path.is_file())
    assert len(files) > 100
    for file in files:
        assert (pascal / file).read_bytes() == (tmp_path / file).read_bytes()


# Scenes


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


def test_grounds_are_muted_and_differ():
    seen = [ground(64, np.random.default_rng(seed)) for seed in range(30)]
    assert len({image.tobytes() for image in seen}) == 30
    for image in seen:
        assert image.shape == (64, 64, 3)
        assert 80 < image.mean() < 220
        assert (image.max(axis=2).astype(int) - image.min(axis=2)).mean() < 90
    for texture in TEXTURES:
        mixed = texture(64, np.random.default_rng(0))
        assert 0 <= mixed.min() < mixed.max() <= 1
