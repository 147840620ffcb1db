"""How well detectors tell outlier sets from test, by hand; and what a classifier is examined with."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from anchorline import METHODS, Suite, adapt
from anchorline.detectors import DETECTORS, local_scores, outliers
from anchorline.encoders.feature_files import Features
from anchorline.encoders.features import FeatureStore
from anchorline.evaluation.base import Options
from anchorline.evaluation.collect import collect
from anchorline.evaluation.evaluators.detection import detection
from anchorline.evaluation.evaluators.table import measure
from anchorline.evaluation.outputs import collect_outputs
from anchorline.methods.settings import override
from anchorline.metric import ID_POSITIVE, OUTLIER_POSITIVE
from anchorline.metrics.bootstrap import Resamples, interval
from anchorline.metrics.detection import resampled
from anchorline.metrics.scores import mcm
from tests.helpers.examined import (
    CLASSES,
    by_key,
    classifier_on,
    confident,
    evaluation,
    images,
    outputs,
    suite_of,
    sure,
)

UNFITTED = tuple(name for name, row in DETECTORS.items() if row.without_train)
TEST = sure(
    [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.5, 0.25, 0.25]], [0, 1, 2, 1]
)  # confidence .9, .8, .6, .5
FAR = sure([[0.7, 0.15, 0.15], [0.4, 0.3, 0.3], [0.34, 0.33, 0.33]])
BY_HAND = {  # in order: .9 i, .8 i, .7 o, .6 i, .5 i, .4 o, .34 o
    ("auroc", ""): 10 / 12,
    ("aupr_in", ""): 0.5 + 0.25 * (2 / 3 + 3 / 4) / 2 + 0.25 * (3 / 4 + 4 / 5) / 2,
    ("aupr_out", ""): 2 / 3 + (1 / 2 + 3 / 5) / 2 / 3,
    ("fpr95", ID_POSITIVE): 1 / 3,
    ("fpr95", OUTLIER_POSITIVE): 1 / 2,
    ("detection_error", ""): 1 / 6,
}


def test_each_measure_by_hand():
    found = by_key(detection(evaluation({"test": TEST, "o": FAR})))
    for (metric, convention), share in BY_HAND.items():
        one, mean = (found[*at, metric, "msp", convention] for at in (("o", "outlier"), ("all", "detection")))
        assert one.value == mean.value == pytest.approx(100 * share)
        assert (one.unit, one.n, one.temperature, mean.n, mean.temperature) == ("%", 3, 1.0, None, 1.0)
    assert len({round(share, 9) for share in BY_HAND.values()}) == 6  # else they could be exchanged
    assert len(found) == 2 * 2 * 6


def test_a_detector_reads_its_own_scores():
    found = by_key(detection(evaluation({"test": TEST, "o": FAR}, detectors=("msp", "energy", "mcm"))))
    by_pairs = (mcm(TEST.cosines)[:, None] > mcm(FAR.cosines)[None]).double().mean().item()
    assert found["o", "outlier", "auroc", "mcm", ""].value == pytest.approx(100 * by_pairs)
    assert found["o", "outlier", "auroc", "energy", ""].value == pytest.approx(50, abs=25)
    temperatures = {m.score: m.temperature for m in found.values()}
    assert (temperatures["msp"], temperatures["mcm"]) == (1, 1)
    assert math.isnan(temperatures["energy"])  # it has none


def test_means_over_all_near_and_far_sets():
    sets = {"test": TEST, "x": confident([0.95]), "y": FAR, "z": confident([0.55])}  # AUROC 0, 10/12, 3/4

    def means(near):
        found = detection(evaluation(sets, near=near))
        return {m.set: m.value for m in found if (m.role, m.metric, m.score) == ("detection", "auroc", "msp")}

    everywhere = pytest.approx(100 * (0 + 10 / 12 + 3 / 4) / 3)
    assert means(["x"]) == {"all": everywhere, "near": 0, "far": pytest.approx(100 * (10 / 12 + 3 / 4) / 2)}
    assert means(["y", "x"]) == {"all": everywhere, "near": pytest.approx(1000 / 24), "far": 75}
    assert means([]) == means(["x", "y", "z"]) == {"all": everywhere}


def test_intervals_are_of_the_same_resamples():
    sets = {"test": TEST, "x": confident([0.95, 0.6, 0.55]), "y": FAR}
    found = by_key(detection(evaluation(sets)))
    draws = [
        resampled(TEST.confidence, sets[name].confidence, Resamples(repeats=50), ("test", name))["auroc"]
        for name in ("x", "y")
    ]
    one, mean = (found[*at, "auroc", "msp", ""] for at in (("x", "outlier"), ("all", "detection")))
    assert (one.low, one.high) == pytest.approx(interval(100 * draws[0]))
    assert (mean.low, mean.high) == pytest.approx(interval(100 * (draws[0] + draws[1]) / 2))
    assert one.low < one.value < one.high


# ---- what is examined


class FitData:
    """A feature store that knows its sets by name."""

    def __init__(self, found: dict[str, torch.Tensor]) -> None:
        self.found = found

    def images(self, encoder, images, progress=None) -> Features:
        return Features(self.found[images.name], (), 0.0)


def test_outliers_face_the_same_classes_as_test(tiny_encoder):
    # The same images on both sides: nothing can tell them apart. Were test's maximum taken over its
    # two classes and the outliers' over three, test would look the more confident.
    rows = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    rows[:, 2] = rows[:, 0]
    whole = suite_of({"test": outputs(rows.tolist(), [0, 1] * 25), "o": outputs(rows.tolist())})
    test = images("test", [0, 1] * 25, columns=(0, 1))
    task = Suite("s", CLASSES, images("train", []), images("val", []), test, {}, whole.outliers)
    found, left_out = collect(classifier_on(tiny_encoder), task, FitData({"test": rows, "o": rows}))
    assert found.outputs["o"].logits[:, 2].isneginf().all()
    aurocs = {m.score: m.value for m in detection(found) if (m.set, m.metric) == ("o", "auroc")}
    assert aurocs == dict.fromkeys(UNFITTED, 50)
    assert left_out == {}


def test_a_suite_without_train_and_val(tiny_encoder, colour_folders):
    folders = {name: colour_folders / name for name in ("test", "dark", "grey")}
    bare = Suite.for_classes(
        ("blue", "green", "red"), folders["test"], {"dark": folders["dark"]}, {"grey": folders["grey"]}
    )
    classifier = adapt(
        tiny_encoder, Suite.from_folders(colour_folders / "train", folders["test"]), "zero-shot"
    )
    found, left_out = collect(classifier, bare, FeatureStore())
    assert found.val is None
    assert [scorer.name for scorer in found.detectors] == [name for name in DETECTORS if name in UNFITTED]
    assert left_out == {}
    rows = by_key(measure(found))
    assert {m.score for m in rows.values()} == {"", *UNFITTED}
    assert "coverage" not in {m.metric for m in rows.values()}
    assert all(math.isfinite(m.value) for m in rows.values())


def test_detectors_are_fitted_on_train_and_chosen_on_val(tiny_encoder, colours):
    classifier, store = adapt(tiny_encoder, colours, "zero-shot"), FeatureStore()
    found, left_out = collect(classifier, colours, store)
    assert {scorer.name for scorer in found.detectors} | left_out.keys() == DETECTORS.keys()
    assert len(left_out) + len(found.detectors) == len(DETECTORS)
    assert len(left_out) <= 1  # what needs patches, where the encoder gives none
    known = found.detectors[0].data
    for said_of, images_of in (
        (known.train, colours.train),
        (known.val, colours.val),
        (found.val, colours.val),
    ):
        assert said_of.truth.tolist() == images_of.labels.tolist()
        views = classifier.views(store, images_of)
        assert torch.equal(said_of.logits, classifier.logits(views))
        assert torch.allclose(said_of.features @ known.weight.T + known.bias, said_of.logits, atol=1e-4)
    pixels, _ = store.pixels(tiny_encoder.geometry, colours.val)
    made = classifier.features_of(outliers(pixels, colours.val.labels))
    assert torch.equal(known.synthetic.logits, classifier.logits(made))
    assert known.synthetic.labels is None
    assert list(found.outputs) == ["test", "dark", "grey"]
    assert found.untouched is found.outputs  # this is the untouched one
    other = collect_outputs(classifier, colours, store)
    given, _ = collect(classifier, colours, store, untouched=other, options=Options(keep=0.5))
    assert given.untouched is other
    assert given.options.keep == 0.5


def test_synthetic_outliers_face_the_same_classes_as_val(tiny_encoder, colours):
    held = replace(colours.val.select((colours.val.labels < 2).nonzero()[0]), columns=(0, 1))
    classifier = adapt(tiny_encoder, colours, "zero-shot")
    known = collect(classifier, replace(colours, val=held), FeatureStore())[0].detectors[0].data
    assert known.val.logits.isneginf().all(0).tolist() == [False, False, True]
    assert known.synthetic.logits.isneginf().all(0).tolist() == [False, False, True]


def test_without_outlier_sets_no_detector_is_fitted(tiny_encoder, colours):
    bare = Suite("s", colours.classes, colours.train, colours.val, colours.test, colours.shifts)
    found, left_out = collect(adapt(tiny_encoder, bare, "zero-shot"), bare, FeatureStore())
    assert (found.detectors, left_out) == ([], {})
    assert found.val is not None
    assert {m.role for m in measure(found)} == {"test", "shift", "summary"}


@pytest.mark.parametrize("row", ["zero-shot", "fine-tune", "flyp", "reprogrammer", "visual-prompt"])
def test_patches_are_read_where_they_are_asked_for(tiny_encoder, colours, row):
    """By every kind of adapted image side: with the weights or inputs that it has tuned."""
    rate = "tunable.frame_lr" if row == "visual-prompt" else "training.lr"
    quick = {"training.epochs": "1", rate: "1e-3"} if METHODS[row].training else {}
    method, store = override(METHODS[row], quick), FeatureStore()
    classifier = adapt(tiny_encoder, colours, method, store=store)
    plain, left_out = collect(classifier, colours, store)
    assert "--patches" in left_out["gl-mcm"]
    assert plain.outputs["test"].local is None
    found, left_out = collect(classifier, colours, store, options=Options(patches=True))
    assert not {"gl-mcm"} & set(left_out)
    pixels, _ = store.pixels(tiny_encoder.geometry, colours.test)
    adaptation = classifier.adaptation
    batch = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        tower_input = adaptation.tower_input(batch)
        features = F.normalize(adaptation.image_tower(tower_input), dim=-1)
        torch.testing.assert_close(features, adaptation.features(batch))  # of this very tower
    expected = local_scores(classifier.image_encoder, pixels, classifier.caption_vectors())
    torch.testing.assert_close(found.outputs["test"].local, expected)
    scored = {(m.set, m.metric) for m in measure(found) if m.score == "gl-mcm"}
    assert ("grey", "auroc") in scored


def test_blended_features_have_no_patches(tiny_encoder, colours):
    classifier = adapt(
        tiny_encoder, colours, override(METHODS["residual-reprogrammer"], {"training.epochs": "1"})
    )
    _, left_out = collect(classifier, colours, FeatureStore(), options=Options(patches=True))
    assert "gl-mcm" in left_out


def test_detectors_are_fitted_on_so_many_images_and_no_more(tiny_encoder, colours, monkeypatch):
    """Evenly spread over train, whose images lie in the order of their classes."""
    monkeypatch.setattr("anchorline.evaluation.collect.FITTED", 9)
    classifier, store = adapt(tiny_encoder, colours, "zero-shot"), FeatureStore()
    found, _ = collect(classifier, colours, store)
    known = found.detectors[0].data
    assert len(known.train.logits) == len(known.train_labels) == 9
    assert set(known.train_labels.tolist()) == {0, 1, 2}
    whole = store.images(tiny_encoder, colours.train).vectors
    for row, label in zip(known.train.features, known.train_labels, strict=True):
        same = (whole == row).all(1)
        assert label in torch.from_numpy(colours.train.labels)[same]
