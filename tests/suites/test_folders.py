import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anchorline.errors import UserError
from anchorline.suites import pictograms
from anchorline.suites.images.decode import Geometry
from anchorline.suites.suite import Suite
from tests.helpers.decoding import decoded

TINY = Geometry((4, 4), "squash")


def fill(root: Path, **counts: int) -> Path:
    """Class folders with so many images each; every image has its own colour."""
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            colour = (len(name), i, sum(map(ord, name)) % 256)
            Image.new("RGB", (4, 4), colour).save(root / name / f"{i:02}.png")
    return root


@pytest.fixture
def sets(tmp_path):
    return {
        "train": fill(tmp_path / "animals/train", cat=10, dog=7, eel=2),
        "test": fill(tmp_path / "animals/test", cat=2, dog=2, eel=2),
    }


def error(**arguments) -> str:
    with pytest.raises(UserError) as caught:
        Suite.from_folders(**arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def names(suite: Suite, images) -> list[str]:
    return [suite.classes[label] for label in images.labels]


def test_classes_are_matched_by_name_and_never_by_position(sets, tmp_path):
    sketch = fill(tmp_path / "sketch", eel=3, dog=1)
    suite = Suite.from_folders(**sets, shifts={"sketch": sketch})
    assert suite.name == "animals"
    assert suite.classes == ("cat", "dog", "eel")
    assert suite.test.columns is None
    shifted = suite.shifts["sketch"]
    assert shifted.columns == (1, 2)
    for images in suite.sets().values():
        assert [path.split("/")[0] for path in images.paths] == names(suite, images)
        assert list(images.paths) == sorted(images.paths)
    assert "shift 'sketch' holds 2 of the 3 classes; only these compete" in suite.notes


def test_a_test_set_may_lack_classes(sets, tmp_path):
    suite = Suite.from_folders(sets["train"], fill(tmp_path / "less", cat=1, eel=1))
    assert suite.test.columns == (0, 2)
    assert "test holds 2 of the 3 classes; only these compete" in suite.notes


def test_nested_hidden_and_other_files(sets):
    fill(sets["train"] / "cat", sub=2)
    fill(sets["train"], **{".ipynb_checkpoints": 1, "__MACOSX": 1})
    (sets["train"] / "cat" / "readme.txt").touch()
    (sets["train"] / ".DS_Store").touch()
    (sets["train"] / "Thumbs.db").touch()
    (sets["train"] / "labels.csv").touch()
    suite = Suite.from_folders(**sets)
    assert suite.classes == ("cat", "dog", "eel")
    assert names(suite, suite.train).count("cat") + names(suite, suite.val).count("cat") == 12


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 0), (2, 1), (3, 1), (5, 1), (7, 1), (8, 2), (10, 2), (100, 20)]
)
def test_a_fifth_of_each_class_goes_to_val(tmp_path, count, expected):
    train = fill(tmp_path / "train", a=count, b=4)
    suite = Suite.from_folders(train, fill(tmp_path / "test", a=1, b=1))
    assert names(suite, suite.val).count("a") == expected
    assert names(suite, suite.train).count("a") == count - expected
    assert not set(suite.val.paths) & set(suite.train.paths)
    assert suite.val.columns == (None if expected else (1,))
    assert (suite.train.name, suite.val.name) == ("train", "val")
    assert any("split off train" in note for note in suite.notes)


def test_the_split_is_the_same_everywhere_and_for_each_class_alone(sets, tmp_path):
    val = Suite.from_folders(**sets).val.paths
    elsewhere = fill(tmp_path / "moved", cat=10, dog=7, eel=2)
    assert Suite.from_folders(elsewhere, sets["test"]).val.paths == val
    assert val == ("cat/02.png", "cat/03.png", "dog/02.png", "eel/00.png")  # pinned
    fill(sets["train"], cat=40, fox=5)
    again = Suite.from_folders(**sets).val.paths
    assert [p for p in again if p[:3] in ("dog", "eel")] == [p for p in val if p[:3] in ("dog", "eel")]


def test_a_given_val_is_used_and_train_left_whole(sets, tmp_path):
    suite = Suite.from_folders(**sets, val=fill(tmp_path / "val", dog=3))
    assert (len(suite.train), len(suite.val)) == (19, 3)
    assert suite.val.columns == (1,)
    assert names(suite, suite.val) == ["dog"] * 3


def test_one_image_in_every_class_leaves_none_for_val(sets, tmp_path):
    message = error(train=fill(tmp_path / "few", cat=1, dog=1), test=sets["test"])
    assert "--val" in message


def test_unknown_class_names_the_nearest(sets, tmp_path):
    message = error(**sets, shifts={"s": fill(tmp_path / "s", cat=1, dgo=1)})
    assert "shift 's'" in message
    assert "'dgo'" in message
    assert "nearest known: 'dog'" in message
    assert "nearest known: 'cat'" in error(**sets, val=fill(tmp_path / "v", CAT=1))


def test_names_match_whatever_their_unicode_form_and_outer_spaces(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    train = fill(tmp_path / "train", **{decomposed: 3, "tea ": 3})
    suite = Suite.from_folders(train, fill(tmp_path / "test", **{composed: 1, "tea": 1}))
    assert suite.classes == (composed, "tea")
    pixels = decoded(suite, TINY)[1]
    assert len(pixels["train"]) + len(pixels["val"]) == 6  # files are read by their own names


@pytest.mark.parametrize("twin", ["Dog", "DOG ", "dog "])
def test_duplicate_names(sets, twin):
    fill(sets["train"], **{twin: 1})
    message = error(**sets)
    assert "duplicate name" in message
    assert repr(twin) in message


def test_what_is_amiss_with_a_folder_is_said(sets, tmp_path):
    train, test = sets["train"], sets["test"]
    assert "no test set" in error(train=train)
    assert "does not exist" in error(train=tmp_path / "nowhere", test=test)
    assert "test folder" in error(train=train, test=tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "is a file" in error(train=train, test=tmp_path / "file")
    (tmp_path / "void").mkdir()
    assert "no class folders" in error(train=train, test=tmp_path / "void")
    assert "no images" in error(**sets, outliers={"o": tmp_path / "void"})
    assert "one class" in error(train=fill(tmp_path / "one", cat=3), test=test)
    assert "bad_images" in error(**sets, bad_images="ignore")
    fill(tmp_path / "flat", **{".": 3})
    assert "CLASS" in error(train=tmp_path / "flat", test=test)
    fill(test, **{".": 2})
    message = error(**sets)
    assert "2 images outside any class folder" in message
    assert "00.png" in message


def test_an_empty_class_folder(sets):
    (sets["test"] / "cat/00.png").unlink()
    (sets["test"] / "cat/01.png").rename(sets["test"] / "cat/notes.txt")
    assert "'cat' in the test folder" in error(**sets)


def test_a_loop_of_links_ends(sets):
    (sets["train"] / "again").symlink_to(sets["train"])
    (sets["train"] / "cat" / "up").symlink_to(sets["train"])
    suite = Suite.from_folders(**sets)
    assert suite.classes == ("cat", "dog", "eel")
    assert len(suite.train) + len(suite.val) == 19


def test_outliers_lie_at_any_depth_and_in_no_known_class(sets, tmp_path):
    textures = fill(tmp_path / "textures", **{".": 1, "wood/oak": 2})
    suite = Suite.from_folders(**sets, outliers={"textures": textures})
    assert suite.outliers["textures"].paths == ("00.png", "wood/oak/00.png", "wood/oak/01.png")
    assert suite.outliers["textures"].labels is None
    fill(textures / "wood", Dog=1)
    assert "'Dog'" in error(**sets, outliers={"textures": textures})


def test_names_of_sets_are_unique(sets):
    test = sets["test"]
    assert "'val'" in error(**sets, shifts={"val": test})
    assert "both named 'x'" in error(**sets, shifts={"x": test}, outliers={"x": test})
    assert "no name" in error(**sets, shifts={"": test})


def spoil(sets, *paths: str) -> None:
    for path in paths:
        (sets["train"].parent / path).write_bytes(b"")


def test_bad_images_of_all_sets_are_named_in_one_error(sets):
    spoil(sets, *(f"train/cat/0{i}.png" for i in range(5)), "test/dog/00.png", "test/dog/01.png")
    suite = Suite.from_folders(**sets)
    with pytest.raises(UserError) as caught:
        decoded(suite, TINY)
    message = str(caught.value)
    assert message.startswith("7 images cannot be used")
    assert message.count(".png is empty") == 5
    assert "and 2 more" in message
    assert "--bad-images skip" in message


def test_bad_images_are_skipped_with_labels_and_pixels_in_step(sets, tmp_path):
    textures = fill(tmp_path / "textures", wood=3)
    (textures / "wood/01.png").write_bytes(b"no")
    spoil(sets, "train/cat/03.png", "train/cat/04.png", "test/dog/00.png", "test/dog/01.png")
    suite = Suite.from_folders(**sets, outliers={"textures": textures}, bad_images="skip")
    before = len(suite.train) + len(suite.val)
    suite, pixels = decoded(suite, TINY)
    assert len(suite.train) + len(suite.val) == before - 2
    assert suite.test.columns == (0, 2)
    for key, images in suite.sets().items():
        assert len(pixels[key]) == len(images)
        for row, path in zip(pixels[key], images.paths, strict=True):
            np.testing.assert_array_equal(row, Image.open(images.source.where(path)))
        if images.labels is not None:
            assert [path[:3] for path in images.paths] == names(suite, images)
    assert any(n.startswith("test: 2 bad images skipped; the first is") for n in suite.notes)
    assert any(n.startswith("outlier 'textures': 1 bad image skipped") for n in suite.notes)
    assert "test holds 2 of the 3 classes; only these compete" in suite.notes


def test_skipping_may_not_empty_a_set_or_a_class_of_train(sets):
    spoil(sets, "train/eel/00.png", "train/eel/01.png")
    suite = Suite.from_folders(**sets, val=sets["test"], bad_images="skip")
    with pytest.raises(UserError, match="no image of class 'eel' in train"):
        decoded(suite, TINY)
    spoil(sets, *(f"test/{c}/0{i}.png" for c in ("cat", "dog", "eel") for i in (0, 1)))
    fill(sets["train"], eel=2)
    with pytest.raises(UserError, match="no image of test"):
        decoded(Suite.from_folders(**sets, bad_images="skip"), TINY)


def test_near_outliers_are_named(sets, tmp_path):
    outliers = {name: fill(tmp_path / name, **{name: 1}) for name in ("textures", "foxes")}
    suite = Suite.from_folders(**sets, outliers=outliers, near=["foxes"])
    assert suite.near == {"foxes"}
    assert suite.without_bad({}).near == suite.near
    assert Suite.from_folders(**sets, outliers=outliers).near == frozenset()
    known = Suite.for_classes(suite.classes, sets["test"], outliers=outliers, near={"foxes"})
    assert known.near == {"foxes"}
    said = (
        "near names 'foxs', which is no outlier set; name one of them (the outlier sets: 'textures', 'foxes')"
    )
    assert error(**sets, outliers=outliers, near=["foxs"]) == said
    assert "there is none" in error(**sets, near=["foxes"])
    with pytest.raises(UserError, match="near names 'x'"):
        Suite.for_classes(suite.classes, sets["test"], near=["x"])
    assert pictograms().near == {"near-objects"}


def test_shots_draw_some_images_of_each_class(sets):
    suite = Suite.from_folders(**sets, val=sets["test"])
    few = suite.shots(3, seed=0)
    assert np.bincount(few.train.labels).tolist() == [3, 3, 2]
    assert [path[:3] for path in few.train.paths] == names(few, few.train)
    assert few.train.paths == tuple(sorted(few.train.paths))
    assert few.val is suite.val
    assert few.test is suite.test
    note = "train holds 8 of its 19 images: 3 a class, drawn with seed 0"
    assert few.notes == (f"{note}; 1 of the 3 classes have fewer",)
    assert suite.shots(2, 0).notes == ("train holds 6 of its 19 images: 2 a class, drawn with seed 0",)
    assert suite.shots(3, 0).train.paths == few.train.paths
    assert set(suite.shots(2, 0).train.paths) < set(few.train.paths)  # the first two of the three
    assert len({suite.shots(3, seed).train.paths for seed in range(5)}) > 1
    assert suite.shots(99, 1).train.paths == suite.train.paths
    with pytest.raises(UserError, match="0 images a class"):
        suite.shots(0, 0)


def test_each_image_is_drawn_about_as_often_as_any_other(sets):
    suite = Suite.from_folders(**sets, val=sets["test"])
    drawn = [
        path for seed in range(200) for path in suite.shots(5, seed).train.paths if path.startswith("cat")
    ]
    counts = [drawn.count(path) for path in sorted(set(drawn))]
    assert len(counts) == 10
    assert all(70 < count < 130 for count in counts)  # 100 is expected, 7 its deviation


def write(root: Path, text: str) -> Path:
    (root / "suite.toml").write_text(text, encoding="utf-8")
    return root / "suite.toml"


def test_toml(sets, tmp_path, monkeypatch):
    fill(tmp_path / "sketch", cat=1)
    fill(tmp_path / "textures", wood=1)
    file = write(
        tmp_path,
        'name = "mine"\ntrain = "animals/train"\ntest = "animals/test"\nbad_images = "skip"\n'
        'near = ["my textures"]\n'
        '[shifts]\nsketch = "sketch"\n[outliers]\n"my textures" = "textures"\n',
    )
    monkeypatch.chdir("/")
    suite = Suite.from_toml(file)
    assert (suite.name, suite.bad_images, suite.near) == ("mine", "skip", {"my textures"})
    assert list(suite.sets()) == ["train", "val", "test", "sketch", "my textures"]
    assert suite.train.source.root == tmp_path / "animals/train"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('trian = "x"', r"unknown key 'trian' \(the nearest known: 'train'"),
        ('test = "animals/test"', "names no train folder"),
        ('train = "animals/train"', "no test set"),
        ("train = 3", "train in .* is 3"),
        ('train = "a"\nshifts = "b"', r"\[shifts\]"),
        ('train = "a"\n[shifts]\nx.y = "b"', "shifts.x in"),
        ('train = "a"\nnear = "x"', r"near in .* is 'x'; it must be a list"),
        ('train = "a"\nnear = [3]', r"near in .* is \[3\]"),
        ('train = "a"\ntest = "a"\nnear = ["x"]\n[outliers]\ny = "a"\nz = "b"', "'x', .* sets: 'y', 'z'"),
        ("train = \ntest = 1", r"not valid TOML.*line 1"),
    ],
)
def test_what_is_amiss_with_a_toml_file_is_said(sets, tmp_path, text, said):
    with pytest.raises(UserError, match=said):
        Suite.from_toml(write(tmp_path, text))


def test_a_missing_toml_file(tmp_path):
    with pytest.raises(UserError, match="cannot read the suite file"):
        Suite.from_toml(tmp_path / "suite.toml")
