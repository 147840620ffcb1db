"""PASCAL as it lies on disk."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import VOCSegmentation

from anchorline.errors import UserError
from anchorline.suites.benchmarks.replicas import voc as replica
from anchorline.suites.masks.voc import READERS


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
