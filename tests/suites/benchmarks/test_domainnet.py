import shutil

import numpy as np
import pytest

from anchorline.errors import UserError
from anchorline.suites.benchmarks import BENCHMARKS, check
from anchorline.suites.benchmarks.dataset import md5_of
from anchorline.suites.benchmarks.datasets import domainnet
from anchorline.suites.benchmarks.replicas import domainnet as replica
from anchorline.suites.images.decode import Geometry
from tests.helpers.decoding import decoded


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    top = tmp_path_factory.mktemp("benchmarks")
    replica.write(top)
    return top


@pytest.fixture
def root(whole, tmp_path):
    """A copy whose lists may be changed; the images are the same files."""
    top = tmp_path / "domainnet"
    top.mkdir()
    for entry in (whole / "domainnet").iterdir():
        if entry.is_dir():
            (top / entry.name).symlink_to(entry)
        else:
            shutil.copy(entry, top)
    return tmp_path


def read(root, name="domainnet"):
    return BENCHMARKS[name].read(root, complete=False)


def sentence(root, name="domainnet") -> str:
    with pytest.raises(UserError) as caught:
        read(root, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def lines(file) -> list[str]:
    return file.read_text().splitlines(keepends=True)


def test_real_is_learnt_and_five_other_looks_are_shifts(whole):
    suite = read(whole)
    assert len(suite.classes) == 345
    assert list(suite.shifts) == ["sketch", "painting", "infograph", "clipart", "quickdraw"]
    assert {len(images) for images in (suite.test, *suite.shifts.values())} == {345}
    assert len(suite.train) + len(suite.val) == 6 * 345
    for images in suite.sets().values():
        assert images.columns is None
        shown = [suite.classes[label] for label in images.labels]
        assert shown == [path.split("/")[1].replace("_", " ") for path in images.paths]
    assert {"aircraft carrier", "t-shirt", "The Eiffel Tower"} <= set(suite.classes)


def test_the_replica_has_images_that_differ_between_looks(whole):
    suite = read(whole)
    _, pixels = decoded(suite, Geometry((8, 8), "squash"))
    sketch = pixels["sketch"].astype(int)
    assert abs(sketch.max(3) - sketch.min(3)).mean() < 4
    assert abs(pixels["test"].astype(int).max(3) - pixels["test"].astype(int).min(3)).mean() > 20


def test_a_part_of_real_is_drawn_by_class_and_noted(whole):
    suite = read(whole, "domainnet-50")
    learnt = [*suite.train.labels, *suite.val.labels]
    assert np.bincount(learnt).tolist() == [3] * 345
    everything = read(whole)
    assert {*suite.train.paths, *suite.val.paths} < {*everything.train.paths, *everything.val.paths}
    assert any("50 % of real_train.txt by a rule of ours" in note for note in suite.notes)


def test_the_released_part_is_taken_where_its_lists_lie(root, monkeypatch):
    top = root / "domainnet"
    half = lines(top / "real_train.txt")[::2]
    names = [f"real_{what}_50_percent_split.txt" for what in ("train", "val")]
    (top / names[0]).write_text("".join(half[345:]))
    (top / names[1]).write_text("".join(half[:345]))
    suite = read(root, "domainnet-50")
    assert set(suite.train.paths) == {line.split()[0] for line in half[345:]}
    assert set(suite.val.paths) == {line.split()[0] for line in half[:345]}
    assert (suite.train.name, suite.val.name) == ("train", "val")
    for images in (suite.train, suite.val):
        shown = [suite.classes[label] for label in images.labels]
        assert shown == [path.split("/")[1].replace("_", " ") for path in images.paths]
    assert "train: train and val by " + " and ".join(names) + ", of unknown origin" in suite.notes
    assert not any("split off" in note for note in suite.notes)
    assert domainnet.DOMAINS["real"].damaged(top) in names

    monkeypatch.setattr(domainnet, "_RELEASED", {name: md5_of(top / name) for name in names})
    assert any("as FTP released them" in note for note in read(root, "domainnet-50").notes)


def test_all_of_real_may_come_from_the_released_lists_alone(root):
    top = root / "domainnet"
    all_of_real = lines(top / "real_train.txt")
    (top / "real_train_100_percent_split.txt").write_text("".join(all_of_real[100:]))
    (top / "real_val_100_percent_split.txt").write_text("".join(all_of_real[:100]))
    (top / "real_train.txt").unlink()
    suite = read(root)
    assert len(suite.train) + len(suite.val) == len(all_of_real)
    assert len(suite.val) == 100
    assert any("real_train_100_percent_split.txt" in note for note in suite.notes)


def test_the_original_version_is_told_by_its_number_of_images(root, monkeypatch):
    assert not any("original version" in note for note in read(root).notes)
    monkeypatch.setitem(domainnet._TEST, "sketch", (344, 345))
    assert "sketch: the original version, not the cleaned one" in read(root).notes
    name = "sketch_test.txt"
    monkeypatch.setitem(domainnet._RELEASED_TEST, name, md5_of(root / "domainnet" / name))
    assert f"sketch: by {name} of the original version, as FTP released it" in read(root).notes


def test_a_list_that_was_cut_off_is_no_whole_copy(root):
    """Fewer classes would compete, and the accuracy would rise."""
    with pytest.raises(UserError, match="holds 2,070 of 120,906 or 122,563 images"):
        BENCHMARKS["domainnet"].read(root)
    file = root / "domainnet/real_test.txt"
    file.write_text("".join(lines(file)[:100]))
    states = check(BENCHMARKS["domainnet"], root)
    assert not any(state.good for state in states)
    assert states[1].state == "100 of 52,041 or 52,764 images"


def test_test_images_in_train_are_refused(root):
    top = root / "domainnet"
    test = (top / "real_test.txt").read_text()
    train = top / "real_train.txt"
    good = train.read_text()
    train.write_text(good + test)
    assert "share 345 images, such as real/" in sentence(root)
    train.write_text(good + "\n" + lines(train)[0])
    assert "expected each image once" in sentence(root)
    (top / "real_train_100_percent_split.txt").write_text(good)
    (top / "real_val_100_percent_split.txt").write_text(good.splitlines()[0])
    assert "_split.txt of " + str(top) + " share 1 image, such as" in sentence(root)


def test_a_missing_look_is_left_out_and_says_where_to_get_it(root):
    (root / "domainnet/sketch").unlink()
    (root / "domainnet/sketch_test.txt").unlink()
    (root / "domainnet/sketch.zip").touch()
    suite = read(root)
    assert "sketch" not in suite.shifts
    assert any("'sketch'" in note and "unpack" in note for note in suite.notes)


def test_a_half_extracted_look_is_explained(root, whole):
    top = root / "domainnet"
    (top / "clipart").unlink()
    assert "cannot list" in sentence(root)
    shutil.copytree(whole / "domainnet/clipart", top / "clipart")
    shutil.rmtree(top / "clipart/zebra")
    assert "lacks 1 of the 345 images in clipart_test.txt, such as clipart/zebra/" in sentence(root)
    (top / "clipart_test.txt").unlink()
    assert "lacks the list clipart_test.txt" in sentence(root)


def test_a_list_that_is_none_is_explained(root):
    file = root / "domainnet/real_test.txt"
    good = file.read_text()
    file.write_text(good + "<html>\n")
    assert "line 346 of" in sentence(root)
    file.write_text(good + "\n")  # a blank line at the end does no harm
    read(root)
    file.write_text(good.replace(".jpg 344", ".jpg 7"))
    assert "expected 344, the number of that class" in sentence(root)
    file.write_text(good, encoding="utf-16")  # as a shell of Windows writes
    assert "it is not UTF-8 text" in sentence(root)
    file.write_text(good.replace("real/zebra/", "real/zebras/"))
    assert "expected a known class" in sentence(root)
    assert "'zebra'" in sentence(root)
    file.write_text(good.replace("real/", "clipart/"))
    assert "expected real/CLASS/IMAGE.jpg" in sentence(root)


def test_a_folder_without_domainnet_is_explained(tmp_path):
    message = sentence(tmp_path)
    assert "https://ai.bu.edu/M3SDA/" in message
    assert str(tmp_path) in message
