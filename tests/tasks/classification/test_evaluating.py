"""`evaluate` measures what `compare` measured; and accuracy under corruptions, in both."""

import numpy as np
import pandas as pd
import pytest

from anchorline import Comparison, Encoder, FeatureStore, Suite, UserError, compare, evaluate, load
from anchorline.evaluation.base import Options
from anchorline.suites.images.corruptions import corrupt

pytest.importorskip("imagecorruptions")

CORRUPTIONS = (("snow", 5), ("contrast", 5))
OPTIONS = Options(corruptions=CORRUPTIONS, subsets={"warm": ("red", "green")}, keep=0.5)
KEY = ["set", "role", "metric", "score", "convention"]
FIGURES = ["value", "low", "high", "n", "unit", "temperature"]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def compared(tiny_encoder, colours, store, tmp_path_factory) -> Comparison:
    out = tmp_path_factory.mktemp("compared")
    return compare(colours, tiny_encoder, ["linear-probe"], out, options=OPTIONS, store=store)


def figures(rows: pd.DataFrame) -> pd.DataFrame:
    indexed = rows.set_index(KEY)
    assert indexed.index.is_unique
    return indexed[FIGURES].sort_index()


def test_accuracy_under_corruptions(compared, colours, tiny_encoder, store):
    pixels, _ = store.pixels(tiny_encoder.geometry, colours.test)
    for method, classifier in compared.classifiers.items():
        rows = compared.rows[compared.rows.method == method]
        found = rows[rows.role == "corruption"].set_index("set")
        assert list(found.index) == ["snow/5", "contrast/5"]
        for name, severity in CORRUPTIONS:
            logits = classifier.logits(classifier.features_of(corrupt(pixels, name, severity)))
            share = 100 * np.mean(logits.argmax(1).numpy() == colours.test.labels)
            row = found.loc[f"{name}/{severity}"]
            assert row.value == pytest.approx(share)
            assert (row.metric, row.n, row.unit) == ("accuracy", 24, "%")
            assert row.low < row.value
        mean = rows[(rows.role == "summary") & (rows.metric == "corruption_accuracy")]
        assert mean.value.item() == pytest.approx(found.value.mean())
    assert found.value.nunique() == 2  # else a mean of them would show nothing


@pytest.mark.parametrize("method", ["zero-shot", "linear-probe"])
def test_the_same_numbers_as_compare(compared, colours, tiny_encoder, store, method):
    classifier = load(compared.directory / "runs" / method / "seed-0", tiny_encoder)
    found = evaluate(classifier, colours, options=OPTIONS, store=store)
    rows = compared.rows[compared.rows.method == method]
    assert list(found.columns) == list(rows.columns)
    deltas = rows.metric.str.startswith("delta_")
    assert deltas.sum() == 3
    ours, theirs = figures(found), figures(rows[~deltas])
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-9)
    for column in ("suite_hash", "encoder_hash", "config_hash", "method", "seed", "version"):
        assert set(found[column]) == set(rows[column])


def test_without_train_and_val(compared, colours, colour_folders, tiny_encoder, store):
    bare = Suite.for_classes(
        colours.classes,
        colour_folders / "test",
        {"dark": colour_folders / "dark"},
        {"grey": colour_folders / "grey"},
    )
    classifier = load(compared.directory / "runs" / "linear-probe" / "seed-0", tiny_encoder)
    found = figures(evaluate(classifier, bare, options=OPTIONS, store=store))
    rows = figures(compared.rows[compared.rows.method == "linear-probe"])
    assert found.value.notna().all()
    pd.testing.assert_frame_equal(found, rows.loc[found.index], rtol=1e-9)
    missing = rows.index.difference(found.index).to_frame()
    fitted = missing.role.isin(["outlier", "detection"]) & ~missing.metric.eq("coverage")
    assert set(missing.score[fitted]) == set(rows.reset_index().score) - {
        *("", "scaled", "msp", "max-logit", "energy", "entropy", "mcm")
    }
    rest = missing[~fitted & ~missing.metric.str.startswith("delta_")]
    # Nothing was scaled in the first place: of this val the probe has all right.
    assert set(rest.metric) == {"coverage", "selective_accuracy"}


def test_a_suite_of_test_alone(compared, colours, colour_folders, tiny_encoder, store):
    classifier = load(compared.directory / "runs" / "linear-probe" / "seed-0", tiny_encoder)
    found = evaluate(classifier, Suite.for_classes(colours.classes, colour_folders / "test"), store=store)
    assert set(found.role) == {"test", "summary"}
    assert not {"shift_accuracy", "auroc", "mean_of_axes", "corruption_accuracy"} & set(found.metric)


def test_mistakes_are_found_before_the_work(compared, colours, tiny_encoder, monkeypatch):
    classifier = compared.classifiers["linear-probe"]
    monkeypatch.setattr(Encoder, "encode_images", None)
    nowhere = Options(subsets={"cold": ("blue", "white")})
    sentence = "subset 'cold' names 'white', which is no class; the classes are blue, green, red"
    with pytest.raises(UserError, match=f"^{sentence}$"):
        evaluate(classifier, colours, options=nowhere)
    with pytest.raises(UserError, match=f"^{sentence}$"):
        compare(colours, tiny_encoder, ["zero-shot"], "nowhere", options=nowhere)
