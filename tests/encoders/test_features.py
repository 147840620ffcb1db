"""The store of features: what shares a file, what does not, and that no accident breaks a later run."""

import copy
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import anchorline.encoders.feature_files
from anchorline import Encoder, FeatureStore, Suite, UserError
from anchorline.encoders.feature_files import cache_directory
from anchorline.encoders.features import suite_features
from anchorline.suites.images.decode import Geometry, decode
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.sources import Folder


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """How many images or captions each call of the encoder was given."""
    counted: list[int] = []

    def counting(real):
        def encode(self, items, progress=None):
            counted.append(len(items))
            return real(self, items, progress)

        return encode

    for name in ("encode_images", "encode_texts"):
        monkeypatch.setattr(Encoder, name, counting(getattr(Encoder, name)))
    return counted


@pytest.fixture
def images(colour_folders, tmp_path) -> ImageSet:
    """A copy of the grey images that a test may spoil."""
    shutil.copytree(colour_folders / "grey", tmp_path / "grey")
    return fresh(tmp_path / "grey")


def fresh(root: Path) -> ImageSet:
    return ImageSet("grey", Folder(root), tuple(sorted(path.name for path in root.iterdir())))


def kept(store: FeatureStore) -> list[Path]:
    return sorted(path for path in store.directory.rglob("*") if path.is_file())


def test_the_vectors_are_the_encoders(tiny_encoder, images):
    found = FeatureStore().images(tiny_encoder, images)
    assert torch.equal(found.vectors, tiny_encoder.encode_images(decode(images, tiny_encoder.geometry)[0]))
    assert found.bad == ()
    assert found.seconds > 0


def test_the_second_call_reads_the_file(tiny_encoder, images, calls):
    first = FeatureStore().images(tiny_encoder, images)
    second = FeatureStore().images(tiny_encoder, images)  # another store, as in another process
    elsewhere = ImageSet("other name", images.source, images.paths, np.zeros(len(images), np.int64))
    third = FeatureStore().images(tiny_encoder, elsewhere)
    assert calls == [len(images)]
    assert torch.equal(first.vectors, second.vectors)
    assert torch.equal(first.vectors, third.vectors)
    assert second.seconds == pytest.approx(first.seconds, abs=1e-3)
    assert len(kept(FeatureStore())) == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_others_may_read_what_is_kept(tiny_encoder, images):
    store = FeatureStore()
    store.images(tiny_encoder, images)
    (file,) = kept(store)
    usual = file.with_name("usual")
    usual.touch()
    assert file.stat().st_mode == usual.stat().st_mode


def test_class_vectors_are_kept_by_names_and_templates(tiny_encoder, calls):
    store = FeatureStore()
    first = store.classes(tiny_encoder, ("a", "b"), ("{}.",))
    assert torch.equal(store.classes(tiny_encoder, ("a", "b"), ("{}.",)).vectors, first.vectors)
    assert calls == [2]
    for names, templates in ((("b", "a"), ("{}.",)), (("a", "b"), ("{}!",)), (("a",), ("{}.", "b {}."))):
        found = store.classes(tiny_encoder, names, templates).vectors
        assert torch.equal(found, tiny_encoder.encode_classes(names, templates))
    assert len(kept(store)) == 4


def test_other_weights_preprocessing_or_images_have_their_own_file(tiny_encoder, images):
    store = FeatureStore()
    store.images(tiny_encoder, images)
    model = copy.deepcopy(tiny_encoder.model)
    model.visual.conv1.weight.data[0, 0, 0, 0] += 0.5
    others = [
        replace(tiny_encoder, model=model),
        replace(tiny_encoder, mean=(0.5, 0.5, 0.5)),
        replace(tiny_encoder, std=(0.5, 0.5, 0.5)),
        replace(tiny_encoder, geometry=Geometry((32, 32), "squash")),
        replace(tiny_encoder, geometry=Geometry((32, 32), interpolation="bilinear")),
    ]
    for count, encoder in enumerate(others, 2):
        store.images(encoder, images)
        assert len(kept(store)) == count
    store.images(replace(tiny_encoder, name="the same weights under another name"), images)
    assert len(kept(store)) == 6
    backwards = store.images(tiny_encoder, images.select(range(len(images))[::-1]))
    torch.testing.assert_close(backwards.vectors.flip(0), store.images(tiny_encoder, images).vectors)
    shutil.copy(images.source.root / "00.png", images.source.root / "01.png")
    repeated = store.images(tiny_encoder, fresh(images.source.root)).vectors
    assert torch.equal(repeated[0], repeated[1])
    assert len(kept(store)) == 8


@pytest.mark.parametrize("crash", [KeyboardInterrupt, MemoryError])
def test_a_crash_while_writing_leaves_nothing(tiny_encoder, images, calls, monkeypatch, crash):
    def half(tensors, file, metadata):
        Path(file).write_bytes(b"half")
        raise crash

    with monkeypatch.context() as patch:
        patch.setattr(anchorline.encoders.feature_files, "save_readable", half)
        with pytest.raises(crash):
            FeatureStore().images(tiny_encoder, images)
    assert kept(FeatureStore()) == []
    assert len(FeatureStore().images(tiny_encoder, images).vectors) == len(images)
    assert calls == [len(images)] * 2


def damage(file: Path, how: str) -> None:
    data = file.read_bytes()
    if how == "cut off":
        file.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "zeros":  # what some file systems leave after a power cut
        file.write_bytes(bytes(len(data)))
    elif how == "another program's":
        save_file({"weight": torch.zeros(3)}, file)
    elif how == "another version's":
        save_file({"vectors": torch.zeros(3)}, file, metadata={"bad": '[{"row": 1}]', "seconds": "1"})


@pytest.mark.parametrize("how", ["cut off", "empty", "zeros", "another program's", "another version's"])
def test_a_damaged_file_is_computed_again_and_mended(tiny_encoder, images, calls, how):
    expected = FeatureStore().images(tiny_encoder, images).vectors
    (file,) = kept(FeatureStore())
    damage(file, how)
    for _ in range(2):
        assert torch.equal(FeatureStore().images(tiny_encoder, images).vectors, expected)
    assert calls == [len(images)] * 2
    assert kept(FeatureStore()) == [file]


def test_bad_images_have_no_row_and_survive_the_cache(tiny_encoder, images, calls):
    whole = FeatureStore().images(tiny_encoder, images).vectors
    root = images.source.root
    (root / "02.png").write_bytes((root / "02.png").read_bytes()[:300])
    (root / "05.png").write_bytes(b"")
    for _ in range(2):
        found = FeatureStore().images(tiny_encoder, fresh(root))
        assert [(bad.index, bad.where) for bad in found.bad] == [
            (2, str(root / "02.png")),
            (5, str(root / "05.png")),
        ]
        assert found.bad[1].reason == "is empty"
        torch.testing.assert_close(found.vectors, whole[[0, 1, 3, 4, 6, 7, 8]])
    assert calls == [9, 7]
    moved = root.rename(root.parent / "moved")
    assert FeatureStore().images(tiny_encoder, fresh(moved)).bad[0].where == str(moved / "02.png")


def test_a_set_without_any_readable_image(tiny_encoder, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    for _ in range(2):
        found = FeatureStore().images(tiny_encoder, ImageSet("x", Folder(tmp_path), ("a.png",)))
        assert found.vectors.shape == (0, 24)
        assert len(found.bad) == 1


def test_progress_ends_where_it_should(tiny_encoder, images):
    calls = []
    FeatureStore().images(tiny_encoder, images, lambda *call: calls.append(call))
    assert calls == sorted(calls)
    assert calls[-1] == (len(images), len(images))


def test_features_of_a_suite_keep_step_with_its_readable_images(tiny_encoder, colour_folders, tmp_path):
    root = shutil.copytree(colour_folders, tmp_path / "c")
    (root / "test/green/03.png").write_bytes(b"no")
    arguments = (root / "train", root / "test", None, {}, {"grey": root / "grey"})
    suite = Suite.from_folders(*arguments, bad_images="skip")
    cleaned, found = suite_features(FeatureStore(), tiny_encoder, suite, lambda name: None)
    assert list(found) == ["train", "val", "test", "grey"]
    assert {name: len(f.vectors) for name, f in found.items()} == {
        name: len(images) for name, images in cleaned.sets().items()
    }
    assert len(cleaned.test) == len(suite.test) - 1
    with pytest.raises(UserError, match=r"03\.png is not an image"):
        suite_features(FeatureStore(), tiny_encoder, Suite.from_folders(*arguments), lambda name: None)


def test_where_features_are_kept(tiny_encoder, images, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() != tmp_path / "xdg" / "anchorline"  # ANCHORLINE_CACHE goes first
    monkeypatch.delenv("ANCHORLINE_CACHE")
    assert cache_directory() == tmp_path / "xdg" / "anchorline"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_directory() == Path.home() / ".cache" / "anchorline"
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANCHORLINE_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot write .*; .*ANCHORLINE_CACHE"):
        FeatureStore().images(tiny_encoder, images)
