"""What parts of a benchmark have in common: found, read, matched by name, checked, downloaded."""

import io
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from anchorline.cli.main import main
from anchorline.errors import UserError
from anchorline.suites.benchmarks import (
    BENCHMARKS,
    Benchmark,
    Dataset,
    Listing,
    Split,
    check,
    folder_with,
    require,
)
from anchorline.suites.benchmarks.dataset import folder_named
from anchorline.suites.benchmarks.datasets.cifar import CIFAR10
from anchorline.suites.benchmarks.datasets.cifar_shifts import CIFAR101_V6
from anchorline.suites.benchmarks.replicas import cifar
from anchorline.suites.images.sources import Arrays, Folder


def part(name, images=6, **choices):
    """A data set whose files are named CLASS-NUMBER.png, in a folder of its own name."""

    def read(found, split):
        require(name, found, ["made"])
        files = sorted(file.name for file in found.glob("*.png"))
        return Listing(Folder(found), tuple(files), tuple(file.split("-")[0] for file in files))

    fields = {
        "about": f"about {name}",
        "source": f"https://example.org/{name}",
        "licence": "none",
        "layout": f"{name}/*.png",
        "find": folder_named(name),
    }
    return Dataset(name=name, images={"test": images, "train": images}, read=read, **{**fields, **choices})


TRAIN, TEST, SKETCHES, NOISE = (part(name) for name in ("train", "test", "sketches", "noise"))
TOY = Benchmark(
    name="toy",
    about="a toy",
    paper="nobody",
    classes=("cat", "ant"),
    train=Split(TRAIN, "train"),
    test=Split(TEST),
    shifts={"sketch": Split(SKETCHES, class_map={"pismire": "ant", "dragon": None})},
    outliers={"noise": Split(NOISE)},
    near=frozenset({"noise"}),
    val_share=0.34,
)


def lay(root, name, *classes, count=3):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "made").touch()
    for one in classes:
        for number in range(count):
            (folder / f"{one}-{number}.png").touch()
    return folder


@pytest.fixture
def root(tmp_path):
    lay(tmp_path, "train", "ant", "cat")
    lay(tmp_path, "test", "ant", "cat")
    lay(tmp_path, "sketches", "pismire", "dragon")
    lay(tmp_path, "noise", "x", "y")
    return tmp_path


def test_a_suite_of_parts(root):
    suite = TOY.read(root)
    assert suite.name == "toy"
    assert suite.classes == ("ant", "cat")  # sorted, as every suite's
    assert (len(suite.train), len(suite.val), len(suite.test)) == (4, 2, 6)
    assert sorted(suite.val.labels) == [0, 1]
    sketch = suite.shifts["sketch"]
    assert sketch.columns == (0,)
    assert sketch.paths == ("pismire-0.png", "pismire-1.png", "pismire-2.png")
    assert suite.outliers["noise"].labels is None
    assert suite.near == {"noise"}
    assert list(suite.notes) == [
        "val was split off train: 2 of its 6 images, 34 % of each class",
        "sketch: 3 images of classes that sketches alone has are left out (dragon)",
        "shift 'sketch' holds 1 of the 2 classes; only these compete",
    ]


def test_what_is_missing(root):
    for name in ("sketches", "noise"):
        (root / name).rename(root / f"no-{name}")
    suite = TOY.read(root)
    assert not suite.shifts
    assert not suite.outliers
    assert not suite.near
    assert [note for note in suite.notes if "left out" in note] == [
        f"outlier set 'noise' is left out: noise is not below {root}: get it from https://example.org/noise; "
        "expected: noise/*.png",
        f"shift 'sketch' is left out: sketches is not below {root}: get it from https://example.org/sketches"
        "; expected: sketches/*.png",
    ]
    (root / "test").rename(root / "tests")
    with pytest.raises(UserError, match=r"the test set of toy, test, is not below .*get it from https"):
        TOY.read(root)


def test_one_note_for_many_sets_of_one_part(root):
    absent = part("absent")
    toy = replace(TOY, shifts={name: Split(absent) for name in ("fog", "snow", "frost")})
    notes = [note for note in toy.read(root).notes if "absent" in note]
    assert len(notes) == 1
    assert notes[0].startswith("shift 'fog' and 2 more are left out: absent is not below")


def test_a_copy_with_other_numbers_of_images(root):
    (root / "sketches/dragon-0.png").unlink()
    with pytest.raises(
        UserError,
        match=r"sketches \(test\) in .* holds 5 of 6 images; get it anew, or move it away to go without",
    ):
        TOY.read(root)
    assert len(TOY.read(root, complete=False).shifts["sketch"]) == 3
    for file in (root / "sketches").glob("*.png"):
        file.unlink()
    with pytest.raises(UserError, match="holds 0 of 6 images"):
        TOY.read(root, complete=False)
    (root / "test/cat-0.png").unlink()
    with pytest.raises(UserError, match=r"holds 5 of 6 images; get it anew$"):
        TOY.read(root)


def test_an_unknown_class(root):
    (root / "test/cat-0.png").rename(root / "test/cart-0.png")
    with pytest.raises(
        UserError, match=r"test has an unknown class 'cart' \(the nearest known: 'cat', 'ant'\); is it that"
    ):
        TOY.read(root)


def test_a_class_without_train_images(root):
    for number in range(3):
        (root / f"train/cat-{number}.png").rename(root / f"train/ant-{number + 3}.png")
    with pytest.raises(UserError, match="holds no image of 'cat'"):
        TOY.read(root)


def test_no_such_folder(tmp_path):
    with pytest.raises(UserError, match=r"there is no folder .*nowhere"):
        TOY.read(tmp_path / "nowhere")


def test_check(root):
    (root / "sketches/dragon-0.png").unlink()
    (root / "noise/made").unlink()
    (root / "test").rename(root / "tests")
    states = check(TOY, root)
    assert [(one.role, one.good) for one in states] == [
        ("train", True), ("test", False), ("shift sketch", False), ("outlier noise", False),
    ]  # fmt: skip
    assert states[0].state == "complete: 6 images"
    assert states[1].state.startswith("is not below")
    assert states[2].state == "5 of 6 images"
    assert states[3].state == f"noise in {root / 'noise'} lacks made; extract the whole archive again"


def test_check_compares_checksums(root):
    (root / "test/made").write_bytes(b"published")
    good = replace(TEST, md5={"made": md5(b"published").hexdigest(), "not-there": "0"})
    toy = replace(TOY, test=Split(good))
    assert check(toy, root)[1].good
    (root / "test/made").write_bytes(b"other")
    state = check(toy, root)[1]
    assert not state.good
    assert state.state == "6 images, but made is not the published file (its MD5 differs)"


def test_check_says_where_no_number_is_published(root):
    toy = replace(TOY, test=Split(replace(TEST, images={"test": None})))
    assert check(toy, root)[1].state == "6 images; no number is published to compare it with"
    for file in (root / "test").glob("*.png"):
        file.unlink()
    assert not check(toy, root)[1].good
    with pytest.raises(UserError, match="holds no image; get it anew"):
        toy.read(root)


def test_a_whole_copy_may_be_of_several_versions(root):
    toy = replace(TOY, test=Split(replace(TEST, images={"test": (6, 1_700)})))
    assert check(toy, root)[1].state == "complete: 6 images"
    assert len(toy.read(root).test) == 6
    next((root / "test").glob("*.png")).unlink()
    state = check(toy, root)[1]
    assert (state.good, state.state) == (False, "5 of 6 or 1,700 images")
    with pytest.raises(UserError, match="holds 5 of 6 or 1,700 images; get it anew"):
        toy.read(root)


def test_check_names_a_wrong_class(root):
    (root / "test/cat-0.png").rename(root / "test/cart-0.png")
    assert "unknown class 'cart'" in check(TOY, root)[1].state


def test_folders_come_before_the_root(tmp_path):
    find = folder_with(("sign", "other"), below=("first", "second/inner"))
    assert find(tmp_path) is None
    (tmp_path / "sign").touch()
    assert find(tmp_path) == tmp_path
    (tmp_path / "second/inner").mkdir(parents=True)
    assert find(tmp_path) == tmp_path
    (tmp_path / "second/inner/other").touch()
    assert find(tmp_path) == tmp_path / "second/inner"


@settings(max_examples=25, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_arrays_are_images(pixels):
    source = Arrays(pixels, "here.npy")
    for row, path in enumerate(source.paths()):
        image = Image.open(io.BytesIO(source.read(path)))
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), pixels[row])


def test_benchmarks_are_consistent():
    """Every benchmark that is known, whoever wrote it."""
    for name, one in BENCHMARKS.items():
        assert one.name == name
        assert len(set(one.classes)) == len(one.classes) > 1
        assert one.near <= set(one.outliers)
        assert not set(one.shifts) & set(one.outliers)
        for _, split in one.splits():
            assert split.name in split.part.images
            assert split.part.source.startswith("http")
            assert {one_class for one_class in split.class_map.values() if one_class} <= set(one.classes)
            assert all((split.part.about, split.part.licence, split.part.layout))


def test_listing(capsys):
    main(["suites"])
    out = capsys.readouterr().out
    assert all(f"{name}: " in out for name in BENCHMARKS)
    main(["suites", "cifar10"])
    out = capsys.readouterr().out
    for _, split in BENCHMARKS["cifar10"].splits():
        for text in (split.part.name, split.part.source, split.part.licence, split.part.layout):
            assert text in out
    main(["suites", "pictograms"])
    assert "outlier: brand-logos" in capsys.readouterr().out


def test_checking_from_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    cifar.write(tmp_path)
    (tmp_path / "svhn/test_32x32.mat").write_bytes(b"no such thing")
    with pytest.raises(SystemExit) as left:
        main(["suites", "cifar10", "--root", str(tmp_path)])
    assert left.value.code == 1  # for scripts
    out = capsys.readouterr().out
    assert "100 of 50,000 images" in out
    assert "cannot read" in out
    assert "0 of 12 sets are complete." in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cifar11"], "unknown suite 'cifar11' (did you mean cifar10?)"),
        (["--root", "x"], "say which benchmark to check"),
        (["pictograms", "--root", "x"], "pictograms is in the package"),
        (["cifar10", "--download"], "--download needs a benchmark and a place"),
        (["cifar10", "--root", "/nowhere"], "there is no folder /nowhere"),
    ],
)
def test_mistakes(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        main(["suites", *arguments])
    assert sentence in capsys.readouterr().err


def test_downloads_what_is_missing(tmp_path, monkeypatch, capsys):
    """Whole sets stay; those without a download are named; the rest is got, and then checked."""
    got = []
    root = tmp_path / "data"

    def download(where):
        got.append(where)
        lay(where, "test", "ant", "cat")

    toy = replace(TOY, test=Split(replace(TEST, download=download)))
    monkeypatch.setitem(BENCHMARKS, "toy", toy)
    lay(root, "train", "ant", "cat")
    lay(root, "noise", "x", count=1)  # not whole
    with pytest.raises(SystemExit, match="1"):
        main(["suites", "toy", "--root", str(root), "--download"])
    assert got == [Path(root)]
    out = capsys.readouterr().out
    assert "test: downloading from https://example.org/test; licence: none" in out
    assert "sketches: to be got by hand" in out
    assert "noise: to be got by hand" in out
    assert "train: to be got by hand" not in out
    assert "2 of 4 sets are complete." in out
    monkeypatch.setitem(BENCHMARKS, "toy", replace(toy, shifts={}, outliers={}))
    main(["suites", "toy", "--root", str(root)])  # all is whole, the exit status is 0
    assert "2 of 2 sets are complete." in capsys.readouterr().out


def test_a_download_that_leaves_half_a_copy_is_no_success(tmp_path, monkeypatch, capsys):
    toy = replace(TOY, test=Split(replace(TEST, download=lambda root: None)), shifts={}, outliers={})
    monkeypatch.setitem(BENCHMARKS, "toy", toy)
    lay(tmp_path, "train", "ant", "cat")
    lay(tmp_path, "test", "ant", count=1)
    with pytest.raises(SystemExit, match="2"):
        main(["suites", "toy", "--root", str(tmp_path), "--download"])
    assert "test could not be downloaded whole" in capsys.readouterr().err


def test_one_download_that_fails_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    def refuse(root):
        raise UserError("no route to host")

    toy = replace(
        TOY,
        train=Split(replace(TRAIN, download=refuse), "train"),
        test=Split(replace(TEST, download=lambda root: lay(root, "test", "ant", "cat"))),
    )
    monkeypatch.setitem(BENCHMARKS, "toy", toy)
    with pytest.raises(SystemExit):
        main(["suites", "toy", "--root", str(tmp_path), "--download"])
    said = capsys.readouterr()
    assert "train: no route to host" in said.out
    assert "1 of 4 sets are complete." in said.out
    assert "train could not be downloaded whole, for the reasons that stand above" in said.err


def test_a_download_that_fails(tmp_path, monkeypatch):

    def refuse(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.CIFAR10.__init__", refuse)
    monkeypatch.setattr("torchvision.datasets.utils.download_url", refuse)
    for one in (CIFAR10, CIFAR101_V6):
        with pytest.raises(
            UserError, match=r"cannot download .* \(no route to host\); try again, or get it by hand"
        ):
            one.download(tmp_path)
