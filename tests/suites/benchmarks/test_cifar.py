"""CIFAR-10 and its shifts and outlier sets, read from replicas in the formats of the downloads."""

import io
import pickle
import tarfile

import numpy as np
import pytest
import torchvision
from PIL import Image

from anchorline.errors import UserError
from anchorline.suites import benchmarks as disk
from anchorline.suites.benchmarks import BENCHMARKS, arrays
from anchorline.suites.benchmarks.datasets.cifar import CIFAR10, CIFAR10_CLASSES, CIFAR100
from anchorline.suites.benchmarks.datasets.cifar_shifts import CIFAR10C, CIFAR101_V4, CIFAR101_V6, CIFAR102
from anchorline.suites.benchmarks.datasets.outliers import PLACES365, SVHN
from anchorline.suites.benchmarks.datasets.stl10 import STL10
from anchorline.suites.benchmarks.replicas import cifar
from anchorline.suites.images.decode import Geometry, decode

CIFAR = BENCHMARKS["cifar10"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("replica")
    cifar.write(root)
    return root


@pytest.fixture
def own(root, tmp_path):
    """A copy that a test may damage, of links where it does not."""

    def copy(*names):
        for name in names:
            source, target = root / name, tmp_path / name
            target.mkdir()
            for file in source.iterdir():
                (target / file.name).write_bytes(file.read_bytes())
        return tmp_path

    return copy


def pixels_of(listed):
    """Through the bytes, as every other reader of images takes them."""
    return [np.asarray(Image.open(io.BytesIO(listed.source.read(path)))) for path in listed.paths]


def listed(part, root, split="test"):
    return part.read(part.find(root), split)


@pytest.fixture
def unchecked(monkeypatch):
    """torchvision reads a replica too, if it does not compare checksums."""
    for module in ("cifar", "stl10", "svhn"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda *_: True)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("part", "peer"), [(CIFAR10, torchvision.datasets.CIFAR10), (CIFAR100, torchvision.datasets.CIFAR100)]
)
def test_cifar_as_torchvision_reads_it(root, unchecked, part, peer, split):
    theirs = peer(str(root), train=split == "train")
    ours = listed(part, root, split)
    assert len(ours.paths) == len(theirs) > 0
    assert list(ours.names) == [theirs.classes[label] for label in theirs.targets]
    np.testing.assert_array_equal(pixels_of(ours), theirs.data)


def test_stl10_as_torchvision_reads_it(root, unchecked):
    theirs = torchvision.datasets.STL10(str(root), split="test")
    ours = listed(STL10, root)
    assert list(ours.names) == [theirs.classes[label] for label in theirs.labels]
    np.testing.assert_array_equal(pixels_of(ours), theirs.data.transpose(0, 2, 3, 1))


def test_svhn_as_torchvision_reads_it(root, unchecked):
    theirs = torchvision.datasets.SVHN(str(root / "svhn"), split="test")
    np.testing.assert_array_equal(pixels_of(listed(SVHN, root)), theirs.data.transpose(0, 2, 3, 1))


def test_binary_cifar_is_the_same(root, tmp_path, unchecked):
    train, test = (torchvision.datasets.CIFAR10(str(root), train=train) for train in (True, False))
    cifar.write_cifar10_binary(
        tmp_path / "cifar-10-batches-bin",
        train.data, np.array(train.targets), test.data, np.array(test.targets),
    )  # fmt: skip
    for split in ("train", "test"):
        pickles, binary = listed(CIFAR10, root, split), listed(CIFAR10, tmp_path, split)
        assert binary.names == pickles.names
        np.testing.assert_array_equal(binary.source.pixels, pickles.source.pixels)


def test_binary_cifar100(root, tmp_path, unchecked):
    theirs = torchvision.datasets.CIFAR100(str(root), train=False)
    rows = theirs.data.transpose(0, 3, 1, 2).reshape(len(theirs), -1)
    fine = np.array(theirs.targets, np.uint8)
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    np.column_stack([fine // 5, fine, rows]).tofile(folder / "test.bin")
    (folder / "fine_label_names.txt").write_text("\n".join(name.replace(" ", "_") for name in theirs.classes))
    ours = listed(CIFAR100, tmp_path)
    assert [name.replace("_", " ") for name in ours.names] == [theirs.classes[label] for label in fine]
    np.testing.assert_array_equal(ours.source.pixels, theirs.data)


@pytest.mark.parametrize(("part", "version", "count"), [(CIFAR101_V4, "v4", 21), (CIFAR101_V6, "v6", 20)])
def test_cifar101(root, part, version, count):
    ours = listed(part, root)
    labels = np.load(root / f"cifar10.1/cifar10.1_{version}_labels.npy")
    assert [CIFAR10_CLASSES.index(name) for name in ours.names] == labels.tolist()
    assert len(ours.paths) == count
    np.testing.assert_array_equal(pixels_of(ours), np.load(root / f"cifar10.1/cifar10.1_{version}_data.npy"))


def test_cifar102_without_its_pickles(root):
    file = root / "cifar10.2/cifar102_test.npz"
    with pytest.raises(ValueError, match="allow_pickle"):
        np.load(file)["label_names"]
    ours = listed(CIFAR102, root)
    np.testing.assert_array_equal(pixels_of(ours), np.load(file)["images"])


def test_severities_of_cifar10c(root):
    whole = np.load(root / "CIFAR-10-C/fog.npy")
    for severity in range(1, 6):
        ours = listed(CIFAR10C, root, f"fog/{severity}")
        np.testing.assert_array_equal(pixels_of(ours), whole[30 * (severity - 1) : 30 * severity])
        assert ours.names == listed(CIFAR10, root).names  # the test images, in their order
    assert ours.source.where(ours.paths[0]) == f"image 120 of {root / 'CIFAR-10-C/fog.npy'}"


def test_even_share_has_as_many_of_each(tmp_path):
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    rows = np.arange(5 * 1000)
    images = np.zeros((len(rows), 32, 32, 3), np.uint8)
    np.save(folder / "labels.npy", (rows % 1000 % 10).astype(np.uint8))
    for name in cifar.CORRUPTIONS:
        np.save(folder / f"{name}.npy", images)
    share = listed(CIFAR10C, tmp_path, "even")
    assert len(share.paths) == CIFAR10C.images["even"] == 75 * 200
    blocks = np.array(
        [[int(number) for number in path.removesuffix(".ppm").split("/")] for path in share.paths]
    )
    assert (np.bincount(blocks[:, 0]) == 200).all()
    severity = blocks[:, 1] // 1000
    np.testing.assert_array_equal(severity, blocks[:, 0] % 5)
    assert [CIFAR10_CLASSES.index(name) for name in share.names] == (blocks[:, 1] % 10).tolist()
    assert len(np.unique(blocks[:, 1] % 1000)) == 1000  # every test image occurs


def test_the_whole_suite(root):
    suite = CIFAR.read(root, complete=False)
    assert suite.classes == CIFAR10_CLASSES
    assert {name: len(images) for name, images in suite.sets().items()} == {
        "train": 80, "val": 20, "test": 30,
        "cifar10.1-v6": 20, "cifar10.2": 20, "stl10": 18, "cifar10-c": 75 * 30,
        "svhn": 20, "lsun-resized": 20, "isun": 20, "dtd": 20, "places365": 20, "cifar100": 100,
    }  # fmt: skip
    assert (np.bincount(suite.val.labels) == 2).all()
    assert suite.near == {"cifar100"}
    assert all(images.labels is None for images in suite.outliers.values())


def test_stl10_by_name(root):
    """Cars are automobiles, monkeys are gone, frogs do not compete."""
    suite = CIFAR.read(root, complete=False)
    stl10, theirs = suite.shifts["stl10"], listed(STL10, root)
    names = dict(zip(theirs.paths, theirs.names, strict=True))
    for path, label in zip(stl10.paths, stl10.labels, strict=True):
        assert suite.classes[label] == {"car": "automobile"}.get(names[path], names[path])
    assert "monkey" not in {names[path] for path in stl10.paths}
    assert set(range(10)) - set(stl10.columns) == {suite.classes.index("frog")}
    assert any("monkey" in note for note in suite.notes)


def test_images_decode_to_what_lies_in_the_arrays(root):
    suite = CIFAR.read(root, complete=False)
    pixels, bad = decode(suite.test, Geometry((32, 32)))
    assert not bad
    np.testing.assert_array_equal(pixels, suite.test.source.pixels)


def test_something_can_be_learnt(root):
    """The nearest mean of a class, in colours, is right more often than not."""
    suite = CIFAR.read(root, complete=False)
    means = {}
    for name in ("train", "test"):
        images = suite.sets()[name]
        pixels, _ = decode(images, Geometry((8, 8)))
        means[name] = pixels[:, 2:6, 2:6].mean((1, 2)), images.labels
    centres = np.stack([means["train"][0][means["train"][1] == label].mean(0) for label in range(10)])
    values, labels = means["test"]
    nearest = np.linalg.norm(values[:, None] - centres, axis=2).argmin(1)
    assert (nearest == labels).mean() > 0.5


def test_a_replica_is_the_same_twice(root, tmp_path):
    cifar.write(tmp_path)
    first, second = (CIFAR.read(where, complete=False).sets() for where in (root, tmp_path))
    assert {name: one.content_hash() for name, one in first.items()} == {
        name: one.content_hash() for name, one in second.items()
    }


def test_v4_in_the_place_of_v6(root):
    assert list(BENCHMARKS["cifar10-v4"].read(root, complete=False).shifts) == [
        "cifar10.1-v4", "cifar10.2", "stl10", "cifar10-c",
    ]  # fmt: skip


def test_cifar10c_whole(root):
    suite = BENCHMARKS["cifar10-c"].read(root, complete=False)
    assert len(suite.shifts) == 75
    assert len(suite.shifts["cifar10-c/jpeg_compression/5"]) == 30


class Evil:
    def __reduce__(self):
        return print, ("arbitrary code",)


def test_a_pickle_with_code_is_refused(own, capsys):
    root = own("cifar-10-batches-py")
    file = root / "cifar-10-batches-py/data_batch_3"
    file.write_bytes(pickle.dumps({"data": Evil(), "labels": []}, protocol=2))
    with pytest.raises(UserError, match=r"data_batch_3.*print.*get it anew"):
        listed(CIFAR10, root, "train")
    assert "arbitrary" not in capsys.readouterr().out


def test_half_extracted(own):
    root = own("cifar-10-batches-py", "stl10_binary", "CIFAR-10-C", "cifar10.1")
    batch = root / "cifar-10-batches-py/data_batch_4"
    whole = batch.read_bytes()
    batch.unlink()
    with pytest.raises(
        UserError, match=r"CIFAR-10 in .* lacks data_batch_4; extract the whole archive again"
    ):
        listed(CIFAR10, root, "train")
    batch.write_bytes(whole[:20_000])
    with pytest.raises(UserError, match=r"cannot read .*data_batch_4"):
        listed(CIFAR10, root, "train")
    images = root / "stl10_binary/test_X.bin"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"test_X.bin has 552,959 bytes, no multiple of 27,648"):
        listed(STL10, root)
    (root / "CIFAR-10-C/labels.npy").unlink()
    with pytest.raises(UserError, match=r"CIFAR-10-C in .* lacks labels.npy"):
        listed(CIFAR10C, root, "fog/1")
    np.save(root / "cifar10.1/cifar10.1_v6_labels.npy", np.zeros(19, np.int32))
    with pytest.raises(UserError, match="19 labels for 20 images"):
        listed(CIFAR101_V6, root)


def test_another_file_under_the_name(own):
    root = own("cifar10.1", "CIFAR-10-C")
    file = root / "cifar10.1/cifar10.1_v6_data.npy"
    np.save(file, np.zeros((20, 28, 28), np.uint8))
    with pytest.raises(UserError, match=r"uint8 numbers, 20 x 28 x 28, and not 32 x 32 images"):
        listed(CIFAR101_V6, root)
    np.save(root / "CIFAR-10-C/labels.npy", np.full(150, 10, np.uint8))
    with pytest.raises(UserError, match="labels that are none of 10 classes"):
        listed(CIFAR10C, root, "fog/1")
    np.save(root / "CIFAR-10-C/fog.npy", np.zeros((149, 32, 32, 3), np.uint8))
    with pytest.raises(UserError, match="149 images for 150 labels"):
        listed(CIFAR10C, root, "fog/1")


def test_an_archive_that_is_not_extracted(tmp_path):
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz"):
        pass
    with pytest.raises(
        UserError, match=r"the train set of cifar10, CIFAR-10, is not extracted: unpack .*tar.gz"
    ):
        CIFAR.read(tmp_path)


def test_places_by_list_or_by_hash(tmp_path, monkeypatch):
    folder = tmp_path / "places365/test_256"
    folder.mkdir(parents=True)
    for number in range(30):
        (folder / f"Places365_test_{number:08}.jpg").write_bytes(b"")
    monkeypatch.setattr("anchorline.suites.benchmarks.datasets.outliers._PLACES", 10)
    by_hash = listed(PLACES365, tmp_path)
    assert len(by_hash.paths) == 10
    assert "10 of its 30 images, by a hash" in by_hash.notes[0]
    (folder / by_hash.paths[0]).unlink()
    assert set(by_hash.paths[1:]) < set(listed(PLACES365, tmp_path).paths)  # the others stay drawn
    (tmp_path / "places365/places365_test_list.txt").write_text(
        "Places365_test_00000007.jpg\nPlaces365_test_00000003.jpg\n"
    )
    by_list = listed(PLACES365, tmp_path)
    assert by_list.paths == ("Places365_test_00000003.jpg", "Places365_test_00000007.jpg")

    file = tmp_path / "places365/places365_test_list.txt"  # as in some copies: with folder and label
    file.write_text("test_256/Places365_test_00000007.jpg 3\n\n")
    assert listed(PLACES365, tmp_path).paths == by_list.paths[1:]
    file.write_text("another.jpg\n")
    with pytest.raises(UserError, match=r"no image in .* is in the list .*places365_test_list.txt"):
        listed(PLACES365, tmp_path)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="it is not UTF-8 text"):
        listed(PLACES365, tmp_path)
    file.write_text("another.jpg\n")
    (folder / file.name).write_text(by_list.paths[0])  # a list among the images comes first
    assert listed(PLACES365, tmp_path).paths == by_list.paths[:1]


def test_plain_files_are_never_empty(tmp_path):
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(UserError, match="0 bytes"):
        arrays.plain(tmp_path / "empty.bin", 7)


def test_counts_are_the_published_ones():
    """So that nobody changes one unseen: whole copies are told by these."""
    held = {role: split.part.images[split.name] for role, split in CIFAR.splits()}
    assert held == {
        "train": 50_000, "test": 10_000,
        "shift cifar10.1-v6": 2000, "shift cifar10.2": 2000, "shift stl10": 8000, "shift cifar10-c": 15_000,
        "outlier svhn": 26_032, "outlier lsun-resized": 10_000, "outlier isun": 8925, "outlier dtd": 5640,
        "outlier places365": 10_000, "outlier cifar100": 10_000,
    }  # fmt: skip
    assert disk.BENCHMARKS["cifar10"] is CIFAR
