"""The benchmarks of segmentation as the command `suites` knows them."""

from dataclasses import replace

import pytest

from anchorline.cli.main import main
from anchorline.suites.benchmarks import BENCHMARKS, MASKED, check_part
from anchorline.suites.benchmarks.replicas import voc
from anchorline.suites.masks.voc import READERS


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    top = tmp_path_factory.mktemp("pascal")
    voc.write(top)
    return top


def test_all_that_can_be_read_are_known(root):
    """And the numbers of images are those that their readers compare with."""
    assert list(MASKED) == list(READERS)
    assert not set(MASKED) & set(BENCHMARKS)
    for name, part in MASKED.items():
        assert part.name == name
        notes = " ".join(READERS[name](root).notes)
        for images in part.images.values():
            assert f"the published list has {images:,}" in notes


@pytest.mark.parametrize("name", MASKED)
def test_check(root, tmp_path, name):
    part = MASKED[name]
    train, test = check_part(part, root)
    assert (train.role, train.state) == ("train", f"20 of {part.images['train']:,} images")
    assert (test.role, test.state) == ("test", f"6 of {part.images['test']:,} images")
    whole = replace(part, images={"train": 20, "test": 6})
    assert [one.state for one in check_part(whole, root)] == ["complete: 20 images", "complete: 6 images"]
    assert all(one.good for one in check_part(whole, root))
    absent = check_part(part, tmp_path)[0]
    assert f"get it from {part.source}" in absent.state
    (tmp_path / part.archives[0]).touch()
    assert check_part(part, tmp_path)[0].state.startswith("is not extracted")


def test_check_says_what_the_reader_says(root, tmp_path):
    (tmp_path / "VOCdevkit").mkdir()
    (tmp_path / "VOCdevkit/VOC2010").symlink_to(root / "VOCdevkit/VOC2010")
    state, _ = check_part(MASKED["voc2012"], tmp_path)
    assert not state.good
    assert "holds VOC2010, and this needs VOC2012" in state.state
    assert "there is no pascal_person_part" in check_part(MASKED["pascal-person-part"], tmp_path)[0].state


def test_listing(root, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    main(["suites"])
    out = capsys.readouterr().out
    assert "anchorline segment --suite NAME --root DIR" in out
    assert all(name in out for name in MASKED)
    for name, part in MASKED.items():
        main(["suites", name])
        out = capsys.readouterr().out
        assert all(text in out for text in (part.source, part.licence, part.layout))
        assert ("--download gets it" in out) == (name == "voc2012")
    with pytest.raises(SystemExit, match="1"):
        main(["suites", "voc2012", "--root", str(root)])
    assert "20 of 1,464 images" in capsys.readouterr().out


def test_download(tmp_path, monkeypatch, capsys):
    """By torchvision, whose archive is extracted where the reader looks for it."""
    got = []

    def extract(url, root, filename, md5):
        got.append((filename, md5))
        voc.write(tmp_path)
        assert root == str(tmp_path)

    monkeypatch.setattr("torchvision.datasets.voc.download_and_extract_archive", extract)
    with pytest.raises(SystemExit, match="2"):
        main(["suites", "voc2012", "--root", str(tmp_path), "--download"])
    assert got == [("VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd")]
    assert "20 of 1,464 images" in capsys.readouterr().out
