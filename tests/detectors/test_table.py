"""The table of outlier detectors: one contract for every row, and agreement with pytorch-ood."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_ood import detector as ood
from sklearn.covariance import LedoitWolf
from torch import Tensor, nn

from anchorline import UserError
from anchorline.detectors import DETECTORS, Arrays, Detector, FitData, UnfitError, fit_all, scores
from anchorline.detectors.evidence import competing, take
from anchorline.detectors.fitting import FittedDetector, fit
from anchorline.detectors.on_features import bank, linear
from anchorline.detectors.on_logits import best_temperature
from anchorline.metrics.detection import auroc
from tests.helpers.detected import (
    ALL,
    CAPTIONS,
    CLASSES,
    EASY,
    HARD,
    OTHERS,
    SCALE,
    TEST,
    WIDTH,
    encode_words,
    images,
    known,
    masked,
    seen,
)


@pytest.fixture(scope="module")
def easy() -> dict[str, FittedDetector]:
    return {scorer.name: scorer for scorer in fit_all(EASY)[0]}


@pytest.mark.parametrize("name", DETECTORS)
class TestContract:
    def test_tells_outliers_apart_with_finite_scores(
        self, name: str, easy: dict[str, FittedDetector]
    ) -> None:
        inside, outside = easy[name](TEST), easy[name](OTHERS)
        assert inside.shape == (60,)
        assert inside.dtype == torch.float64
        assert torch.isfinite(torch.cat([inside, outside])).all()
        assert auroc(inside, outside) > 0.9

    def test_same_twice(self, name: str, easy: dict[str, FittedDetector]) -> None:
        again = fit(DETECTORS[name], EASY)
        assert again.chosen == easy[name].chosen
        assert torch.equal(again(OTHERS), easy[name](OTHERS))

    def test_order_of_images_does_not_matter(self, name: str, easy: dict[str, FittedDetector]) -> None:
        order = torch.randperm(80, generator=torch.Generator().manual_seed(0))
        turned = easy[name](take(OTHERS, ALL, order))
        torch.testing.assert_close(turned, easy[name](OTHERS)[order], rtol=1e-5, atol=1e-6)

    def test_order_of_training_images_does_not_matter(
        self, name: str, easy: dict[str, FittedDetector]
    ) -> None:
        order = torch.randperm(120, generator=torch.Generator().manual_seed(1))
        turned = replace(EASY, train=take(EASY.train, ALL, order), train_labels=EASY.train_labels[order])
        found = FittedDetector(DETECTORS[name], easy[name].chosen, turned)(OTHERS)
        torch.testing.assert_close(found, easy[name](OTHERS), rtol=1e-4, atol=1e-5)

    def test_restricted_columns_are_fewer_classes(self, name: str, easy: dict[str, FittedDetector]) -> None:
        columns = torch.tensor([1, 3, 4])
        train, val = (torch.isin(labels, columns) for labels in (EASY.train_labels, EASY.val_labels))
        fewer = FitData(
            take(EASY.train, columns, train), torch.searchsorted(columns, EASY.train_labels[train]),
            take(EASY.val, columns, val), torch.searchsorted(columns, EASY.val_labels[val]),
            take(EASY.synthetic, columns), EASY.weight[columns], EASY.bias[columns], CAPTIONS[columns],
            tuple("bde"), SCALE, encode_words,
        )  # fmt: skip
        expected = FittedDetector(DETECTORS[name], easy[name].chosen, fewer)(take(OTHERS, columns))
        found = easy[name](masked(OTHERS, columns))
        assert torch.isfinite(found).all()
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(found, easy[name](OTHERS))

    def test_one_class_left(self, name: str, easy: dict[str, FittedDetector]) -> None:
        assert torch.isfinite(easy[name](masked(OTHERS, torch.tensor([2])))).all()

    def test_one_training_image_a_class(self, name: str) -> None:
        fitted, left_out = fit_all(known(1), [name])
        if fitted:
            assert auroc(fitted[0](TEST), fitted[0](OTHERS)) > 0.75
        else:
            assert name in ("mahalanobis", "rmd")
            assert left_out[name].endswith("add images")

    def test_row_is_complete(self, name: str) -> None:
        row = DETECTORS[name]
        assert row.about
        assert row.source
        assert row.reads in ("logits", "features", "text")

    def test_fitting_never_sees_outlier_sets(self, name: str) -> None:
        assert next(iter(inspect.signature(DETECTORS[name].fit).parameters)) == "data"
        assert set(inspect.signature(DETECTORS[name].fit).parameters) - {"data"} == set(
            DETECTORS[name].space(EASY)
        )


def test_what_is_known_holds_no_outlier_set() -> None:
    assert {f.name for f in fields(FitData)} == {
        "train", "train_labels", "val", "val_labels", "synthetic", "weight", "bias", "captions", "classes",
        "logit_scale", "encode_words",
    }  # fmt: skip
    assert list(inspect.signature(fit_all).parameters) == ["data", "names"]


def layer(dtype: torch.dtype = torch.float64) -> nn.Linear:
    return linear(HARD, dtype)


def maps(features: Tensor) -> Tensor:
    return features.double()[:, :, None, None]


def flat_layer() -> nn.Module:
    return nn.Sequential(nn.Flatten(), layer())


LABELS = HARD.train_labels
# What pytorch-ood says when it is used as its documentation does, on the same arrays.
GOLDEN: dict[str, Callable[[dict[str, Any], Arrays], Tensor]] = {
    "msp": lambda _, e: ood.MaxSoftmax(None).predict_logits(e.logits),
    "max-logit": lambda _, e: ood.MaxLogit(None).predict_logits(e.logits),
    "energy": lambda _, e: ood.EnergyBased(None).predict_logits(e.logits),
    "entropy": lambda _, e: ood.Entropy(None).predict_logits(e.logits),
    "gen": lambda chosen, e: (  # a mean over the largest, for the paper's sum
        min(chosen["M"], CLASSES) * ood.GEN(None, **chosen).predict_logits(e.logits.double())
    ),
    "kl-matching": lambda _, e: (
        ood.KLMatching(None).fit_logits(HARD.train.logits, LABELS).predict_logits(e.logits)
    ),
    "knn": lambda chosen, e: (
        ood.KNN(None, **chosen).fit_features(HARD.train.features, LABELS).predict_features(e.features)
    ),
    "vim": lambda chosen, e: (
        ood.ViM(None, w=HARD.weight, b=HARD.bias, **chosen)
        .fit_features(HARD.train.features, LABELS)
        .predict_features(e.features)
    ),
    "react": lambda chosen, e: (
        ood.ReAct(None, flat_layer(), **chosen)
        .fit_feature_maps(maps(HARD.train.features), LABELS)
        .predict_feature_maps(maps(e.features))
    ),
    "ash": lambda chosen, e: ood.ASH(None, flat_layer(), **chosen).predict_feature_maps(maps(e.features)),
    "she": lambda _, e: (
        ood.SHE(None, layer(torch.float32))
        .fit_features(HARD.train.features, LABELS)
        .predict_features(e.features)
    ),
    "nnguide": lambda chosen, e: (
        ood.NNGuide(None, layer(torch.float32), **chosen)
        .fit_features(HARD.train.features, LABELS)
        .predict_features(e.features)
    ),
    "fdbd": lambda _, e: (
        ood.fDBD(None, layer(torch.float32)).fit_features(HARD.train.features).predict_features(e.features)
    ),
    "mcm": lambda _, e: (
        ood.MCM(None, CAPTIONS, temperature=1.0).predict_features(e.features)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_agrees_with_pytorch_ood(name: str) -> None:
    scorer = fit(DETECTORS[name], HARD)
    # Below 1e-7 it clamps probabilities, in entropy and GEN, and we do not: see test_on_logits.py.
    images = take(OTHERS, ALL, OTHERS.logits.double().softmax(1).amin(1) > 1e-7)
    golden = -GOLDEN[name](scorer.chosen, images).double()
    torch.testing.assert_close(scorer(images), golden, rtol=2e-4, atol=2e-5)


def test_every_detector_that_pytorch_ood_has_is_compared_with_it() -> None:
    compared_below = {"temperature", "mahalanobis", "rmd"}
    assert set(DETECTORS) - set(GOLDEN) == compared_below | {"gl-mcm", "neglabel"}


@pytest.mark.parametrize("stretch", [1.0, 8.0])
def test_plain_distances_are_those_of_pytorch_ood(stretch: float) -> None:
    """Up to the number of images, by which pytorch-ood does not divide the covariance."""
    features = HARD.train.features * torch.linspace(1, stretch, WIDTH)
    many = replace(HARD, train=seen(features))
    for name, kind in (("mahalanobis", ood.Mahalanobis), ("rmd", ood.RMD)):
        golden = -240 * kind(None).fit_features(features, LABELS).predict_features(OTHERS.features)
        found = DETECTORS[name].fit(many, shrinkage="none")(OTHERS)
        torch.testing.assert_close(found, golden.double(), rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("name", ["mahalanobis", "rmd"])
def test_few_images_shrink_the_covariance(name: str) -> None:
    """Fewer images than dimensions: scikit-learn's covariance, the distance written out."""
    few = known(3, spread=2.0)
    assert DETECTORS[name].space(few) == {"shrinkage": ["ledoit-wolf"]}
    features, labels = few.train.features.double(), few.train_labels
    means = torch.stack([features[labels == c].mean(0) for c in range(CLASSES)])

    def squared(z: Tensor, centred: Tensor) -> float:
        covariance = torch.from_numpy(LedoitWolf(assume_centered=True).fit(centred.numpy()).covariance_)
        return float(z @ torch.linalg.solve(covariance, z))

    expected = []
    for z in OTHERS.features[:10].double():
        nearest = min(squared(z - mean, features - means[labels]) for mean in means)
        mean = features.mean(0)
        expected.append(
            -nearest / 2 if name == "mahalanobis" else squared(z - mean, features - mean) - nearest
        )
    for shrinkage in ("ledoit-wolf", "none"):  # the plain one has no inverse
        found = DETECTORS[name].fit(few, shrinkage=shrinkage)(OTHERS)[:10]
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_temperature_is_the_best_on_val() -> None:
    hot = replace(HARD, val=replace(HARD.val, logits=3 * HARD.val.logits))

    def loss(t: float) -> float:
        return float(F.cross_entropy(hot.val.logits / t, hot.val_labels))

    best = best_temperature(hot)
    assert 0.3 < best < 15  # not at the bounds
    assert loss(best) <= min(loss(best * f) for f in (0.5, 0.9, 0.99, 1.01, 1.1, 2)) + 1e-6
    assert best == pytest.approx(3 * best_temperature(HARD), rel=0.01)
    detector = ood.TemperatureScaling(None).fit_logits(hot.val.logits, hot.val_labels)
    assert loss(best) < loss(float(detector.t))
    golden = -ood.MaxSoftmax(None, t=best).predict_logits(OTHERS.logits).double()
    torch.testing.assert_close(fit(DETECTORS["temperature"], hot)(OTHERS), golden, rtol=1e-4, atol=1e-5)


def test_temperature_where_val_lacks_classes() -> None:
    columns = torch.tensor([0, 2, 5])
    part = HARD.restricted(columns)
    lacking = replace(HARD, val=masked(part_of(HARD.val, HARD.val_labels, columns), columns))
    lacking = replace(lacking, val_labels=columns[part.val_labels])
    assert best_temperature(lacking) == pytest.approx(best_temperature(part))


def part_of(evidence: Arrays, labels: Tensor, columns: Tensor) -> Arrays:
    return take(evidence, ALL, torch.isin(labels, columns))


@settings(max_examples=8, deadline=None)
@given(chunk=st.integers(1, 90))
def test_chunks_equal_the_whole(easy: dict[str, FittedDetector], chunk: int) -> None:
    whole = scores([*easy.values()], OTHERS)
    for name, parts in scores([*easy.values()], OTHERS, chunk).items():
        torch.testing.assert_close(parts, whole[name], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(parts, easy[name](OTHERS), rtol=1e-5, atol=1e-6)


def test_scores_of_no_images(easy: dict[str, FittedDetector]) -> None:
    none = scores([*easy.values()], take(OTHERS, ALL, slice(0)))
    assert {len(found) for found in none.values()} == {0}


def test_restricted_known_has_the_classes_images() -> None:
    part = EASY.restricted(torch.tensor([4, 5]))
    assert part.classes == ("e", "f")
    assert part.train_labels.tolist() == [0, 1] * 20
    assert torch.equal(part.train.features[1], EASY.train.features[5])
    assert torch.equal(part.train.logits[1], EASY.train.logits[5, 4:])
    assert torch.equal(part.weight, EASY.weight[4:])
    assert len(part.synthetic.logits) == 40
    assert competing(masked(TEST, torch.tensor([4, 5]))).tolist() == [4, 5]


def test_a_class_without_a_right_answer() -> None:
    """SHE: all its images make its pattern."""
    wrong = replace(EASY.train, logits=EASY.train.logits.index_fill(1, torch.tensor([0]), -100.0))
    fitted, left_out = fit_all(replace(EASY, train=wrong), ["she"])
    assert not left_out
    of_class = EASY.train.features[EASY.train_labels == 0].double().mean(0)
    nearest = TEST.logits.argmax(1) == 0
    expected = TEST.features[nearest].double() @ of_class
    torch.testing.assert_close(fitted[0](TEST)[nearest], expected)


def test_classes_with_the_same_vector() -> None:
    """No boundary lies between twins: fDBD stays finite."""
    twins = EASY.weight.clone()
    twins[1] = twins[0]
    fitted, _ = fit_all(replace(EASY, weight=twins), ["fdbd"])
    assert torch.isfinite(fitted[0](TEST)).all()


def test_the_bank_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anchorline.detectors.on_features.BANK", 50)
    features, labels = bank(EASY)
    assert features.shape == (50, WIDTH)
    assert torch.equal(features, bank(EASY)[0])
    assert len(set(labels.tolist())) == CLASSES
    assert max(DETECTORS["knn"].space(EASY)["k"]) == 50


def test_hyper_parameters_are_the_best_on_val_against_synthetic_outliers() -> None:
    tried = []

    def pick(known: FitData, sign: int) -> Callable[[Arrays], Tensor]:
        tried.append(sign)
        return lambda evidence: sign * evidence.logits.amax(1)

    row = Detector("pick", "", "", "logits", pick, lambda known: {"sign": [-1, 1]})
    assert fit(row, EASY).chosen == {"sign": 1}
    assert tried == [-1, 1]


def test_a_detector_that_cannot_be_fitted_on_the_classes_of_a_set_has_no_scores() -> None:
    """Class 0 alone has two different images."""
    labels = torch.tensor([0, 0, 1, 2, 3, 4, 5])
    few = replace(EASY, train=images(labels, 7, 0.6), train_labels=labels)
    fitted, _ = fit_all(few, ["msp", "mahalanobis"])
    assert set(scores(fitted, OTHERS)) == {"msp", "mahalanobis"}
    assert set(scores(fitted, masked(OTHERS, torch.tensor([1, 2])))) == {"msp"}
    with pytest.raises(UnfitError, match="two different training images"):
        fitted[1](masked(OTHERS, torch.tensor([1, 2])))


@pytest.mark.parametrize("name", ["mahalanobis", "rmd"])
def test_two_images_of_one_class_have_no_covariance(name: str) -> None:
    """Ledoit and Wolf find nothing to shrink by where all deviations are one and its opposite."""
    labels = torch.tensor([0, 0, 1, 2])
    few = replace(EASY, train=images(labels, 7, 0.6), train_labels=labels)
    fitted, _ = fit_all(few, [name])
    alone = masked(OTHERS, torch.tensor([0]))
    assert not scores(fitted, alone)
    with pytest.raises(UnfitError, match="has no inverse; add images"):
        fitted[0](alone)


def test_words_are_encoded_once() -> None:
    asked = []

    def encode(words: Sequence[str], template: str) -> Tensor:
        asked.append((len(words), template))
        return encode_words(words, template)

    fitted, _ = fit_all(replace(EASY, encode_words=encode), ["neglabel"])
    fitted[0](masked(OTHERS, torch.tensor([0, 1])))
    assert asked == [(10_000, ""), (2_240, "This is a {} photo")]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UserError, match="no detector 'mahalanobi'; choose among mahalanobis"):
        fit_all(EASY, ["mahalanobi"])


def test_temperature_needs_validation_images() -> None:
    none = replace(EASY, val=take(EASY.val, ALL, slice(0)), val_labels=EASY.val_labels[:0])
    fitted, left_out = fit_all(none, ["temperature", "msp"])
    assert [scorer.name for scorer in fitted] == ["msp"]
    assert "validation images" in left_out["temperature"]
