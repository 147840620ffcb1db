"""`draw_map`: which images, which space, the neighbourhood score by brute force, and the page."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from anchorline import METHODS, FeatureStore, Suite, UserError, adapt
from anchorline.experiments.maps.mapping import CLASSES, Mapped, draw_map, shifted_sample
from anchorline.experiments.maps.neighbourhoods import agreement, by_chance, flattened, shares
from anchorline.methods.settings import override
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.sources import Folder

SHORT = {"training.epochs": "1", "training.batch_size": "16", "training.lr": "1e-3"}


@pytest.fixture
def no_umap(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)  # importing it is an ImportError


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def shifted(colour_folders) -> Suite:
    train, test = colour_folders / "train", colour_folders / "test"
    return Suite.from_folders(
        train, test, shifts={"dark": colour_folders / "dark", "plain": test}, name="colours"
    )


@pytest.fixture(scope="module")
def classifiers(tiny_encoder, shifted, store) -> list:
    names = ("zero-shot", "linear-probe", "reprogrammer", "residual-reprogrammer")
    rows = [override(METHODS[n], SHORT if METHODS[n].training else {}) for n in names]
    found = []
    for row in rows:
        found.append(adapt(tiny_encoder, shifted, row, store=store, reuse=found))
    return found


def drawn(classifiers, shifted, store, out, **more) -> Mapped:
    return draw_map(classifiers, shifted, store, out, **more)


def suite_of(**shifts: list[int]) -> Suite:
    """Sets by name with these labels; no image is ever read."""
    classes = tuple(f"class {i:02d}" for i in range(20))

    def images(name: str, labels: list[int]) -> ImageSet:
        paths = tuple(f"{name}/{i}.png" for i in range(len(labels)))
        return ImageSet(name, Folder(Path()), paths, np.array(labels, np.int64))

    sets = {name: images(name, labels) for name, labels in shifts.items()}
    one = images("train", list(range(20)))
    return Suite("sets", classes, one, one, one, sets)


def counts(suite: Suite) -> dict[str, dict[int, int]]:
    tables = {name: np.unique(s.labels, return_counts=True) for name, s in suite.shifts.items()}
    return {name: dict(zip(t[0].tolist(), t[1].tolist(), strict=True)) for name, t in tables.items()}


def test_the_sample_is_balanced_over_shifts_then_classes():
    # Class 0 is large in one shift; classes 1 to 12 are in both; class 13 only in the second.
    wide = suite_of(a=[0] * 90 + [c for c in range(1, 13) for _ in range(c + 5)], b=[*range(1, 14)] * 2)
    found = counts(shifted_sample(wide, 60, seed=0))
    # Ten of the twelve, those with more images; the second shift has two of each, the first gives the rest.
    assert found["b"] == dict.fromkeys(range(3, 13), 2)
    assert found["a"] == dict.fromkeys(range(3, 13), 4)
    assert len(found["a"]) == CLASSES


def test_scarce_classes_give_all_they_have():
    found = counts(shifted_sample(suite_of(a=[0] * 3 + [1] * 50 + [2] * 50, b=[0, 1]), 41, seed=0))
    assert found["b"] == {0: 1, 1: 1}
    assert found["a"][0] == 3
    assert {found["a"][1], found["a"][2]} == {18}


def test_equal_classes_go_by_name_and_seeds_draw_other_images():
    suite = suite_of(a=[c for c in range(20) for _ in range(30)])
    one, again, other = (shifted_sample(suite, 100, seed) for seed in (1, 1, 2))
    assert counts(one) == {"a": dict.fromkeys(range(10), 10)} == counts(other)
    assert one.shifts["a"].paths == again.shifts["a"].paths != other.shifts["a"].paths


def test_too_few_shifted_images(colours):
    for suite, images in ((replace(colours, shifts={}), 500), (colours, 500), (suite_of(a=[0] * 50), 5)):
        with pytest.raises(UserError, match="a map needs at least 12 shifted images"):
            shifted_sample(suite, images, 0)


def test_neighbours_by_brute_force():
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(40, 5)), rng.integers(3, size=40)
    points[labels == 1] += 1
    expected = []
    for i in range(40):
        distances = [(float(((points[i] - points[j]) ** 2).sum()), j) for j in range(40) if j != i]
        expected.append(np.mean([labels[j] == labels[i] for _, j in sorted(distances)[:7]]))
    assert shares(points, labels, k=7) == pytest.approx(np.array(expected))
    found = agreement(points, labels, k=7)
    assert found.value == pytest.approx(100 * np.mean(expected))
    error = 100 * np.std(expected) / np.sqrt(40)  # the interval of a mean by its normal approximation
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.3 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.3 * error)
    assert agreement(points, labels, k=7) == found
    pairs = [labels[i] == labels[j] for i in range(40) for j in range(40) if i != j]
    assert by_chance(labels) == pytest.approx(100 * np.mean(pairs))


def test_far_apart_classes_agree_wholly():
    labels = np.repeat([0, 1], 15)
    assert agreement(labels[:, None] * 100.0 + np.arange(30)[:, None], labels).value == 100


def test_umap_where_it_is_installed():
    pytest.importorskip("umap")
    points = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    one, how = flattened(points, seed=3)
    assert how == "UMAP"
    assert one.shape == (30, 2)
    assert np.isfinite(one).all()
    assert np.array_equal(one, flattened(points, seed=3)[0])


@pytest.mark.usefixtures("no_umap")
class TestPage:
    def test_principal_components_where_umap_is_missing(self, classifiers, shifted, store, tmp_path):
        found = drawn(classifiers[:1], shifted, store, tmp_path)
        assert found.how == "PCA"
        assert "umap-learn is not installed" in found.page.read_text(encoding="utf-8")
        one = found.rows[["x", "y"]].to_numpy()
        assert one.std(0)[0] >= one.std(0)[1] > 0
        assert one.mean(0) == pytest.approx(0, abs=1e-5)

    def test_rows_and_scores(self, classifiers, shifted, store, tmp_path):
        found = drawn(classifiers, shifted, store, tmp_path)
        assert list(found.rows.columns) == ["image", "set", "class", "method", "x", "y"]
        pd.testing.assert_frame_equal(
            pd.read_csv(tmp_path / "map.csv"), found.rows, check_dtype=False, rtol=1e-5
        )
        written = pd.read_csv(tmp_path / "map_scores.csv")
        pd.testing.assert_frame_equal(written, found.scores, check_dtype=False)
        for _, own in found.rows.groupby("method"):
            assert len(own) == 10 + 24
            assert own.groupby("set").size().to_dict() == {"dark": 10, "plain": 24}
            for _, image in own.iterrows():
                assert Path(image["image"]).is_file()
                assert Path(image["image"]).parent.name == image["class"]

    def test_what_is_mapped(self, classifiers, shifted, store, tmp_path):
        found = drawn(classifiers, shifted, store, tmp_path)
        spaces = found.scores[found.scores.space != "map"].set_index("method")
        assert spaces.space.to_dict() == {
            "zero-shot": "features", "linear-probe": "logits",
            "reprogrammer": "features", "residual-reprogrammer": "features",
        }  # fmt: skip
        sample = shifted_sample(shifted, 500, 0).shifts.values()
        labels = np.concatenate([s.labels for s in sample])
        views = {c.method.name: [c.views(store, s) for s in sample] for c in classifiers}

        def of(method: str, part: str) -> torch.Tensor:
            return torch.cat([getattr(view, part) for view in views[method]])

        adapted, untouched = of("reprogrammer", "adapted"), of("zero-shot", "untouched")
        mapped = {
            "zero-shot": untouched,
            "linear-probe": torch.cat([classifiers[1].logits(view) for view in views["linear-probe"]]),
            "reprogrammer": adapted,
            "residual-reprogrammer": F.normalize(0.6 * adapted + 0.4 * untouched, dim=1),
        }
        for method, points in mapped.items():
            expected = agreement(points.numpy(), labels)
            assert spaces.agreement[method] == pytest.approx(expected.value)
            assert spaces.low[method] == pytest.approx(expected.low)
        page = found.page.read_text(encoding="utf-8")
        assert (
            "The image features of linear-probe are the untouched encoder’s, so the logits are mapped."
            in page
        )

    def test_the_map_has_its_own_score(self, classifiers, shifted, store, tmp_path):
        found = drawn(classifiers[:1], shifted, store, tmp_path)
        flat = found.scores[found.scores.space == "map"].iloc[0]
        classes = np.unique(found.rows["class"], return_inverse=True)[1]
        assert flat.agreement == pytest.approx(agreement(found.rows[["x", "y"]].to_numpy(), classes).value)

    def test_the_same_again(self, classifiers, shifted, store, tmp_path):
        one, again = (drawn(classifiers, shifted, store, tmp_path / n, images=20, seed=5) for n in "ab")
        pd.testing.assert_frame_equal(one.rows, again.rows)
        pd.testing.assert_frame_equal(one.scores, again.scores)
        assert len(one.rows) == 20 * 4

    def test_names_are_text(self, classifiers, shifted, store, tmp_path):
        hostile = "</script><b>cat & {x}"
        suite = replace(shifted, classes=(hostile, *shifted.classes[1:]))
        page = drawn(classifiers[:1], suite, store, tmp_path).page.read_text(encoding="utf-8")
        assert hostile not in page
        assert page.count("</script>") == page.count("<script")
        assert "default-src 'none'" in page
