"""Predictions: what is said, in which order, of what is found."""

import os
import shutil
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from anchorline import AdaptedClassifier, FeatureStore, UserError, adapt
from anchorline.classifier.prediction import UNKNOWN, found_images, predict
from anchorline.metrics import scores


@pytest.fixture(scope="module")
def classifier(tiny_encoder, colours, tmp_path_factory) -> AdaptedClassifier:
    return adapt(tiny_encoder, colours, "linear-probe", store=FeatureStore(tmp_path_factory.mktemp("store")))


def test_the_same_as_the_evaluation_says(classifier, colours, colour_folders):
    files = [colour_folders / "test" / path for path in colours.test.paths]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = list(classifier.predict(files))
    logits = classifier.logits(classifier.views(FeatureStore(), colours.test))
    assert [one.path for one in found] == [str(file) for file in files]
    for one, sure, index in zip(found, scores.msp(logits).tolist(), logits.argmax(1).tolist(), strict=True):
        assert one.nearest == colours.classes[index]
        assert one.probability == pytest.approx(sure, abs=1e-5)
        assert one.ood_score == pytest.approx(1 - sure, abs=1e-5)


def test_unknown_below_the_threshold_that_keeps_19_of_20_validation_images(
    classifier, colours, colour_folders
):
    val = [colour_folders / "train" / path for path in colours.val.paths]
    kept = [one for one in classifier.predict(val) if one.label != UNKNOWN]
    assert len(kept) >= 0.95 * len(val) - 1e-9
    assert all(one.label == one.nearest for one in kept)
    strict = replace(classifier, threshold=1.1)
    assert {one.label for one in strict.predict(val)} == {UNKNOWN}
    assert {one.nearest for one in strict.predict(val)} <= set(colours.classes)


def test_order_and_blocks(classifier, colour_folders, monkeypatch):
    files = [str(p) for p in sorted((colour_folders / "test").rglob("*.png"))]
    whole = list(classifier.predict(files))
    monkeypatch.setattr("anchorline.classifier.prediction._AT_ONCE", 5)
    for a, b in zip(whole, classifier.predict(files), strict=True):
        assert (a.path, a.nearest) == (b.path, b.nearest)
        assert a.probability == pytest.approx(b.probability, abs=1e-6)
    assert list(classifier.predict([])) == []


def test_images_are_read_as_they_are_asked_for(classifier, colour_folders):
    """An endless stream of paths is no problem, and memory does not grow with it."""
    file = str(colour_folders / "test" / "red" / "00.png")

    def endless():
        while True:
            yield file

    stream = classifier.predict(endless())
    for _ in range(128):
        next(stream)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(640):
        next(stream)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 1_000_000


def test_broken_images(classifier, colour_folders, tmp_path):
    good = colour_folders / "test" / "red" / "00.png"
    (tmp_path / "bad.png").write_bytes(b"no")
    files = [good, tmp_path / "bad.png", tmp_path / "gone.png", good]
    told = classifier.predict(files)
    assert next(iter(told)).path == str(good)  # what stands before the broken one is said
    with pytest.raises(UserError, match=r"bad\.png is not an image .*; mend it, or .* --bad-images skip$"):
        next(told)
    skipped: list[str] = []
    found = list(predict(classifier, files, "skip", skipped))
    assert [one.path for one in found] == [str(good), str(good)]
    assert len(skipped) == 2
    assert skipped[1].endswith("gone.png cannot be read: No such file or directory")
    only_bad = predict(classifier, files[1:3], "skip")
    assert list(only_bad) == []


def test_folders_patterns_and_names(colour_folders, tmp_path, monkeypatch):
    root = shutil.copytree(colour_folders / "test", tmp_path / "some photos")
    (root / "note.txt").write_text("no image")
    assert len(list(found_images([str(root)]))) == 24
    assert list(found_images([str(root / "red" / "0[01].png")])) == [
        str(root / "red" / "00.png"), str(root / "red" / "01.png"),
    ]  # fmt: skip
    monkeypatch.chdir(root)
    assert len(list(found_images(["*/00.png"]))) == 3
    assert len(list(found_images([f"**{os.sep}*.png"]))) == 24
    odd = root / "a[b].png"
    shutil.copy(root / "red" / "00.png", odd)
    assert list(found_images([str(odd)])) == [str(odd)]  # a name that looks like a pattern
    assert list(found_images(["gone.png"])) == ["gone.png"]  # reading says that it is not there
    with pytest.raises(UserError, match=r"nothing matches \*\.gif"):
        list(found_images(["*.gif"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no images"):
        list(found_images([str(tmp_path / "empty")]))


def test_paths_are_relative_to_nothing_but_here(colour_folders):
    assert all(Path(path).is_file() for path in found_images([str(colour_folders / "grey")]))
