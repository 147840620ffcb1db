import io
import json
import shutil
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import open_clip
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from anchorline.errors import UserError
from anchorline.evaluation.outputs import outputs_of
from anchorline.suites.benchmarks import BENCHMARKS, check
from anchorline.suites.benchmarks.class_folders import in_class_folders
from anchorline.suites.benchmarks.datasets.imagenet_classes import NAME_OF, NAME_OF_A, NAME_OF_R, WNIDS
from anchorline.suites.benchmarks.datasets.imagenet_r import IMAGENET_R
from anchorline.suites.benchmarks.datasets.imagenet_shifts import IMAGENET, IMAGENET_V2
from anchorline.suites.benchmarks.datasets.imagenet_val import DEVKIT, read_flat
from anchorline.suites.benchmarks.datasets.objectnet import OBJECTNET, Bordered
from anchorline.suites.benchmarks.replicas import imagenet as replica
from anchorline.suites.images.decode import Geometry, decode
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.split import stratified_subset

TWINS = {744: "missile", 836: "sunglasses"}  # what CLIP calls the two that we call otherwise


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    top = tmp_path_factory.mktemp("benchmarks")
    replica.write(top)
    return top


@pytest.fixture(scope="module")
def suite(root):
    return BENCHMARKS["imagenet"].read(root, complete=False)


def sentence(call, *arguments, **named) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message
    return message


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (4, 4), "red").save(folder / name)
    return folder


# The classes


def listed(name: str) -> list[str]:
    file = Path(timm.__file__).parent / "data" / "_info" / name
    return file.read_text(encoding="utf-8").split()


def test_the_classes_are_those_of_timm_and_open_clip():
    assert list(WNIDS) == listed("imagenet_synsets.txt") == sorted(WNIDS)
    assert list(NAME_OF_A) == listed("imagenet_a_synsets.txt")
    assert list(NAME_OF_R) == listed("imagenet_r_synsets.txt")
    names = [TWINS.get(number, name) for number, name in enumerate(NAME_OF.values())]
    assert names == list(open_clip.IMAGENET_CLASSNAMES)


def test_no_two_classes_have_one_name():
    assert len({name.casefold() for name in NAME_OF.values()}) == 1000


# The replica as a suite


def by_wnid(path: str) -> str:
    return NAME_OF[path.split("/")[0]]


@pytest.mark.parametrize("name", ["train", "val", "imagenet-a", "imagenet-r", "imagenet-sketch"])
def test_folders_by_wordnet_id_give_the_classes(suite, name):
    images = suite.sets()[name]
    assert [suite.classes[label] for label in images.labels] == [by_wnid(path) for path in images.paths]


def test_only_the_classes_of_a_smaller_set_compete(suite):
    for name, classes in (("imagenet-a", NAME_OF_A), ("imagenet-r", NAME_OF_R)):
        assert {suite.classes[i] for i in suite.shifts[name].columns} == set(classes.values())
    assert suite.shifts["imagenet-v2"].columns is None
    assert suite.test.columns is None


def test_the_flat_val_is_labelled_by_the_devkit(root, suite):
    """The pictures of one class have one colour, in val as in train: an independent witness."""

    def hue(images: ImageSet, index: int) -> float:
        file = Path(images.where(index))
        pixels = np.asarray(Image.open(file).convert("HSV"), np.float64).reshape(-1, 3)
        shown = pixels[pixels[:, 1] > 150]
        return float(np.median(shown[:, 0])) if len(shown) else -1.0

    test, train = suite.test, suite.train
    far = 0
    for index in range(0, 1000, 25):
        twin = int(np.flatnonzero(train.labels == test.labels[index])[0])
        apart = abs(hue(test, index) - hue(train, twin))
        far += min(apart, 256 - apart) > 12
    assert far <= 2


def test_v2_folders_are_class_numbers_and_not_in_the_order_of_texts(suite):
    images = suite.shifts["imagenet-v2"]
    for path, label in zip(images.paths, images.labels, strict=True):
        assert suite.classes[label] == NAME_OF[WNIDS[int(path.split("/")[0])]]


def test_v2_may_have_been_sorted_by_wordnet_id(root, tmp_path):
    found = tmp_path / "imagenet_v2"
    for number, wnid in enumerate(WNIDS):
        (found / wnid).mkdir(parents=True)
        source = next((root / "imagenetv2-matched-frequency-format-val" / str(number)).iterdir())
        (found / wnid / source.name).symlink_to(source)
    assert IMAGENET_V2.find(tmp_path) == found
    names = IMAGENET_V2.read(found, "test").names
    assert sorted(names) == sorted(NAME_OF.values())
    assert all(
        by_wnid(path) == name for path, name in zip(IMAGENET_V2.read(found, "test").paths, names, strict=True)
    )


def test_near_outliers_are_those_of_openood(suite):
    assert suite.near == {"ssb-hard", "ninco"}
    assert {name: len(images) for name, images in suite.outliers.items()} == dict.fromkeys(
        ["inaturalist", "sun", "places", "dtd", "ssb-hard", "ninco", "openimage-o"], 20
    )


def test_a_replica_is_no_whole_copy(root):
    message = sentence(BENCHMARKS["imagenet"].read, root)
    assert "3,000 of 1,281,167 images" in message
    states = {state.role: state for state in check(BENCHMARKS["imagenet"], root)}
    assert states["shift imagenet-a"].state == "400 of 7,500 images"
    assert not states["shift imagenet-a"].good
    assert states["shift objectnet"].good


def test_a_missing_set_is_left_out_and_another_of_the_same_layout_is_not_taken_for_it(root, tmp_path):
    for one in ("imagenet", "SUN"):
        (tmp_path / one).symlink_to(root / one)
    some = BENCHMARKS["imagenet"].read(tmp_path, complete=False)
    assert list(some.outliers) == ["sun"]
    assert not some.shifts
    note = next(note for note in some.notes if "'places'" in note)
    assert "imagenet_ood_dataset/Places.tar.gz" in note


def test_an_archive_that_lies_there_packed_is_named(root, tmp_path):
    (tmp_path / "imagenet").symlink_to(root / "imagenet")
    (tmp_path / "imagenet-a.tar").touch()
    some = BENCHMARKS["imagenet"].read(tmp_path, complete=False)
    assert any(f"unpack {tmp_path / 'imagenet-a.tar'}" in note for note in some.notes)


def test_ninco_is_its_classes_and_not_the_other_data_in_its_archive(root, tmp_path):
    shutil.copytree(root / "NINCO", tmp_path / "NINCO")
    fill(tmp_path / "NINCO" / "NINCO_popular_datasets_subsamples" / "places", "a.png")
    part = BENCHMARKS["imagenet"].outliers["ninco"].part
    assert len(part.read(part.find(tmp_path), "test").paths) == 20


# The lists of val


@pytest.fixture
def flat(root, tmp_path):
    """val without any list, and the labels by the devkit."""
    shutil.copytree(root / "imagenet/val", tmp_path / "imagenet/val")
    truth = read_flat(root / "imagenet/val")
    return tmp_path / "imagenet/val", truth


def test_val_without_labels_is_explained(flat):
    folder, _ = flat
    message = sentence(read_flat, folder)
    assert "have no labels" in message
    assert "ILSVRC2012_devkit_t12.tar.gz" in message


def test_every_list_gives_the_same_labels(root, flat):
    folder, truth = flat
    wnid_of = {name: wnid for wnid, name in NAME_OF.items()}
    wnids = [wnid_of[name] for name in truth.names]
    stems = [Path(path).stem for path in truth.paths]

    archive = folder.parent / f"{DEVKIT}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root / "imagenet" / DEVKIT, DEVKIT)
    assert read_flat(folder).names == truth.names
    archive.unlink()

    kaggle = folder.parent / "LOC_val_solution.csv"
    rows = [f"{stem},{wnid} 1 2 3 4 {wnid} 5 6 7 8 \n" for stem, wnid in zip(stems, wnids, strict=True)]
    kaggle.write_text("ImageId,PredictionString\n" + "".join(reversed(rows)))
    assert read_flat(folder).names == truth.names
    kaggle.unlink()

    numbers = [f"{stem}.JPEG {WNIDS.index(wnid)}\n" for stem, wnid in zip(stems, wnids, strict=True)]
    (folder.parent / "val.txt").write_text("".join(numbers))
    assert read_flat(folder).names == truth.names

    (folder.parent / "val.txt").write_text("".join(numbers[1:]))
    assert stems[0] in sentence(read_flat, folder)
    for wrong in ("no list", f"{stems[0]}.JPEG -5\n", f"{stems[0]}.JPEG 1000\n"):
        (folder.parent / "val.txt").write_text(wrong)
        assert "cannot read the labels" in sentence(read_flat, folder)
    (folder.parent / "val.txt").rename(folder.parents[1] / "val.txt")  # of something else
    assert "have no labels" in sentence(read_flat, folder)


def test_a_broken_list_of_val_is_explained(root, flat):
    folder, _ = flat
    archive = folder.parent / f"{DEVKIT}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root / "imagenet" / DEVKIT, DEVKIT)
    whole = archive.read_bytes()
    for content in (whole[: len(whole) // 3], whole[: len(whole) * 9 // 10], b""):
        archive.write_bytes(content)
        assert "cannot read the labels" in sentence(read_flat, folder)
    archive.unlink()

    shutil.copytree(root / "imagenet" / DEVKIT, folder.parent / DEVKIT)
    (folder.parent / DEVKIT / "data/meta.mat").write_bytes(b"")
    assert "cannot read the labels" in sentence(read_flat, folder)
    shutil.rmtree(folder.parent / DEVKIT)

    for row in ("ILSVRC2012_val_00000001", "ILSVRC2012_val_00000001,n00000000 1 2 3 4"):
        (folder.parent / "LOC_val_solution.csv").write_text(f"ImageId,PredictionString\n{row}\n")
        assert "cannot read the labels" in sentence(read_flat, folder)


def test_val_in_folders_needs_no_list(root, tmp_path):
    truth = read_flat(root / "imagenet/val")
    wnid_of = {name: wnid for wnid, name in NAME_OF.items()}
    for path, name in zip(truth.paths, truth.names, strict=True):
        folder = tmp_path / "imagenet/val" / wnid_of[name]
        folder.mkdir(parents=True)
        (folder / path).symlink_to(root / "imagenet/val" / path)
    assert IMAGENET.find(tmp_path) == tmp_path / "imagenet"
    assert sorted(IMAGENET.read(tmp_path / "imagenet", "val").names) == sorted(NAME_OF.values())
    assert "train" in sentence(IMAGENET.read, tmp_path / "imagenet", "train")


# What may be wrong with folders


CALLED = {"n1": "cat", "n2": "dog"}


def test_a_half_extracted_set_is_explained(tmp_path):
    assert "extract the archive there" in sentence(in_class_folders, "pets", tmp_path / "none", CALLED)
    fill(tmp_path / "other", "a.png")
    assert "no class folder such as n1" in sentence(in_class_folders, "pets", tmp_path, CALLED)
    shutil.rmtree(tmp_path / "other")
    fill(tmp_path / "n1", "a.png")
    assert "lacks 1 of the 2 class folders, such as n2" in sentence(
        in_class_folders, "pets", tmp_path, CALLED
    )
    (tmp_path / "n2.tar").touch()
    assert "unpack each tar" in sentence(in_class_folders, "pets", tmp_path, CALLED)
    (tmp_path / "n2").mkdir()
    assert "n2 holds no images" in sentence(in_class_folders, "pets", tmp_path, CALLED)
    fill(tmp_path / "n2", "b.png")
    assert in_class_folders("pets", tmp_path, CALLED).names == ("cat", "dog")
    fill(tmp_path / "n3", "a.png")
    assert "n3, which is no class" in sentence(in_class_folders, "pets", tmp_path, CALLED)


def test_hidden_folders_and_files_that_are_no_images_do_not_count(tmp_path):
    fill(tmp_path / "n1", "a.png")
    fill(tmp_path / "n2", "b.png")
    (tmp_path / "README.txt").touch()
    (tmp_path / "n1/notes.txt").touch()
    (tmp_path / ".cache").mkdir()
    assert in_class_folders("pets", tmp_path, CALLED).paths == ("n1/a.png", "n2/b.png")


# ObjectNet


def test_objectnet_has_the_shared_classes_and_merges_those_that_are_one_in_it(suite):
    images = suite.shifts["objectnet"]
    shown = {
        path.split("/")[0]: suite.classes[label]
        for path, label in zip(images.paths, images.labels, strict=True)
    }
    assert shown == {
        "alarm_clock": "analog clock", "banana": "banana", "chair": "barber chair", "teapot": "teapot",
    }  # fmt: skip
    groups = {tuple(suite.classes[i] for i in group) for group in images.merged}
    assert groups == {("analog clock", "digital clock"), ("barber chair", "folding chair", "rocking chair")}
    assert any("never be learnt from" in note for note in suite.notes)


def test_any_class_of_a_merged_group_is_right(suite):
    images = suite.shifts["objectnet"].select([0, 2, 4])  # alarm clock, banana, chair
    place = {name: i for i, name in enumerate(suite.classes)}
    logits = torch.zeros(3, 1000)
    logits[0, place["digital clock"]] = 2.0
    logits[1, place["tench"]] = 9.0  # is not in the set, so cannot be said
    logits[1, place["teapot"]] = 1.0
    logits[2, place["rocking chair"]] = 2.0
    given_logits = logits.clone()
    classifier = SimpleNamespace(
        classes=suite.classes,
        view=lambda views: SimpleNamespace(logits=logits, images=torch.zeros(3, 1)),
        cosines=lambda views: logits,
    )
    said = outputs_of(classifier, images, None)
    assert said.right.tolist() == [True, False, True]
    assert torch.equal(logits, given_logits)
    assert torch.isfinite(said.logits).sum(1).tolist() == [4, 4, 4]
    assert torch.isfinite(said.cosines).sum(1).tolist() == [4, 4, 4]


def test_the_red_border_is_cut_off(root, suite):
    images = suite.shifts["objectnet"]
    whole = np.asarray(Image.open(images.where(0)).convert("RGB"))
    assert (whole[0] == (255, 0, 0)).all()
    cut = np.asarray(Image.open(io.BytesIO(images.source.read(images.paths[0]))))
    assert (cut == whole[2:-2, 2:-2]).all()
    pixels, bad = decode(images, Geometry((8, 8), "squash"))
    assert not bad
    assert len(pixels) == len(images)


def test_an_unreadable_objectnet_image_is_an_unreadable_file(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(OSError, match="Pillow"):
        Bordered(tmp_path).read("a.png")


def test_objectnet_half_extracted_is_explained(root, tmp_path):
    found = tmp_path / "objectnet-1.0"
    shutil.copytree(root / "objectnet-1.0", found)
    for image in (found / "images/chair").iterdir():
        image.unlink()
    assert "images/chair holds no images" in sentence(OBJECTNET.read, found, "test")
    shutil.rmtree(found / "images/chair")
    assert "lacks 1 of the 4 folders" in sentence(OBJECTNET.read, found, "test")
    table = found / "mappings/objectnet_to_imagenet_1k.json"
    table.write_text(json.dumps({"Chair": "throne"}))
    assert "not as released" in sentence(OBJECTNET.read, found, "test")
    table.unlink()
    assert "lacks mappings/objectnet_to_imagenet_1k.json" in sentence(OBJECTNET.read, found, "test")


# ImageNet-C


def test_imagenet_c_is_read_by_the_archives_that_are_there(root, tmp_path):
    (tmp_path / "imagenet").symlink_to(root / "imagenet")
    for corruption in ("snow", "frost", "fog", "brightness"):
        for severity in range(1, 6):
            (tmp_path / "imagenet-c" / corruption).mkdir(parents=True, exist_ok=True)
            (tmp_path / "imagenet-c" / corruption / str(severity)).symlink_to(root / "imagenet/train")
    some = BENCHMARKS["imagenet-c"].read(tmp_path, complete=False)
    assert len(some.shifts) == 20
    assert len(some.shifts["imagenet-c/fog/3"]) == 3000
    assert sum("left out" in note for note in some.notes) == 3  # one for each archive
    (tmp_path / "imagenet-c/fog/3").unlink()
    assert "lacks the folder fog/3" in sentence(BENCHMARKS["imagenet-c"].read, tmp_path, complete=False)


# ImageNet-R as a suite of its own


def test_imagenet_r_is_split_by_a_rule_that_pins_the_images(root):
    suite = BENCHMARKS["imagenet-r"].read(root, complete=False)
    assert len(suite.classes) == 200
    assert np.bincount(suite.test.labels).tolist() == [1] * 200
    learnt = {*suite.train.paths, *suite.val.paths}
    assert not learnt & set(suite.test.paths)
    assert len(learnt) == 800
    assert suite.test.paths[:3] == PINNED
    assert any("by a rule of ours" in note for note in suite.notes)
    assert suite.test.columns is None


PINNED = ("n01443537/art_1.jpg", "n01484850/art_4.jpg", "n01494475/art_3.jpg")


def test_imagenet_r_is_split_by_the_released_lists_where_they_lie_beside_it(root, tmp_path):
    found = tmp_path / "imagenet-r"
    shutil.copytree(root / "imagenet-r", found)
    paths = IMAGENET_R.read(found, "all").paths
    for split, chosen in (("train", paths[1:]), ("test", paths[:1])):
        lines = "".join(f"- data/imagenet-r/{path}\n" for path in chosen)
        (found / f"imagenet-r_{split}.yaml").write_text(f"data:\n{lines}targets:\n" + "- 3\n" * len(chosen))
    assert IMAGENET_R.read(found, "test").paths == paths[:1]
    assert IMAGENET_R.read(found, "train").paths == paths[1:]
    assert IMAGENET_R.read(found, "train").notes == ("by imagenet-r_train.yaml, of unknown origin",)
    assert IMAGENET_R.damaged(found) == "imagenet-r_train.yaml"
    test = (found / "imagenet-r_test.yaml").read_text()
    (found / "imagenet-r_test.yaml").write_text(f"{test}- data/imagenet-r/{paths[1]}\n")
    assert f"share 1 image, such as {paths[1]}" in sentence(IMAGENET_R.read, found, "train")
    (found / "imagenet-r_test.yaml").write_text(test)
    (found / paths[0]).unlink()
    assert f"lacks {paths[0]}" in sentence(IMAGENET_R.read, found, "test")


def test_imagenet_r_is_fetched_with_its_checksum(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "torchvision.datasets.utils.download_and_extract_archive", lambda *a, **k: asked.append((a, k))
    )
    IMAGENET_R.download(tmp_path)
    (((url, _), named),) = asked
    assert url.endswith("/imagenet-r.tar")
    assert named == {"md5": "a61312130a589d0ca1a8fca1f2bd3337"}


# The rule


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=8),
    st.floats(0.05, 0.95),
    st.floats(0.05, 0.95),
    st.randoms(use_true_random=False),
)
def test_a_portion_is_exact_stratified_nested_and_free_of_order(sizes, one, other, chance):
    names = [f"class {label}" for label, size in enumerate(sizes) for _ in range(size)]
    paths = [f"{name}/{number}.jpg" for number, name in enumerate(names)]
    few, many = sorted([one, other])
    chosen = stratified_subset(paths, names, many, "salt")
    assert len(chosen) == max(round(many * len(paths)), len(sizes))
    assert chosen == sorted(set(chosen))
    assert {names[i] for i in chosen} == set(names)
    assert set(stratified_subset(paths, names, few, "salt")) <= set(chosen)
    if len(chosen) > len(sizes):
        for label, size in enumerate(sizes):
            held = sum(names[i] == f"class {label}" for i in chosen)
            assert abs(held - len(chosen) / len(paths) * size) <= 1 + len(sizes) / len(paths) * size
    order = list(range(len(paths)))
    chance.shuffle(order)
    again = stratified_subset([paths[i] for i in order], [names[i] for i in order], many, "salt")
    assert {paths[order[i]] for i in again} == {paths[i] for i in chosen}


def test_another_salt_draws_another_portion():
    paths = [f"{number}.jpg" for number in range(100)]
    assert stratified_subset(paths, ["a"] * 100, 0.5, "x") != stratified_subset(paths, ["a"] * 100, 0.5, "y")
