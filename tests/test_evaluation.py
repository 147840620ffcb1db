"""Evaluators against small sets whose figures are worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anchorline import METHODS, AdaptedClassifier, Suite
from anchorline.classifier import Views
from anchorline.evaluation import (
    ID_POSITIVE,
    OUTLIER_POSITIVE,
    Metric,
    accuracy,
    changes,
    detection,
    measure,
    outcome,
    outcomes,
    summary,
    wilson,
)
from anchorline.features import Features
from anchorline.scores import auroc, fpr_at_95_tpr, fpr_outlier_positive, mcm, msp
from anchorline.suites.images import Folder, ImageSet

# Rows are images; with the classifier below they are its logits for a, b, c.
TEST = [[3, 1, 0], [0, 3, 1], [0, 2, 3], [5, 0, 0]]  # says a, b, c, a
LABELS = [0, 1, 2, 2]


def features(rows) -> Views:
    vectors = torch.tensor(rows, dtype=torch.float32)
    return Views(vectors, vectors)


class Known:
    """A feature store that knows its sets by name."""

    def __init__(self, found: dict[str, Views]) -> None:
        self.found = found

    def images(self, encoder, images, progress=None) -> Features:
        return Features(self.found[images.name].adapted, (), 0.0)


def images(name: str, labels=None, columns=None, count: int = 4) -> ImageSet:
    marked = None if labels is None else np.array(labels, np.int64)
    paths = tuple(f"{i}.png" for i in range(count if labels is None else len(labels)))
    return ImageSet(name, Folder("nowhere"), paths, marked, columns)


@pytest.fixture
def classifier(tiny_encoder) -> AdaptedClassifier:
    """Its logits are the features themselves, and its cosines a tenth of them, c and a exchanged."""
    return AdaptedClassifier(
        encoder=tiny_encoder,
        method=METHODS["linear-probe"],
        classes=("a", "b", "c"),
        templates=("a {}",),
        captions=torch.eye(3).flip(0) / 10,
        learnt_from={"train": "", "val": ""},
        tuned={"head.weight": torch.eye(3), "head.bias": torch.zeros(3)},
        chosen={"l2": 0.1},
        alpha=0.0,
        seconds=1.5,
        threshold=0.5,
        peak_memory=2.5,
        seed=0,
    )


def suite(test: ImageSet, shifts=(), outliers=()) -> Suite:
    return Suite(
        "s",
        ("a", "b", "c"),
        images("train", LABELS),
        images("val", LABELS),
        test,
        {one.name: one for one in shifts},
        {one.name: one for one in outliers},
    )


def measured(classifier, suite, found) -> list[Metric]:
    return list(measure(classifier, suite, outcomes(classifier, suite, Known(found))))


def test_accuracy_over_all_classes(classifier):
    found = accuracy("test", "test", outcome(classifier, images("test", LABELS), features(TEST)))
    assert (found.set, found.role, found.value, found.unit, found.n) == ("test", "test", 75, "%", 4)
    assert (found.low, found.high) == tuple(100 * bound for bound in wilson(3, 4))


def test_only_the_classes_of_a_set_compete(classifier):
    rows, labels = [[9, 1, 0], [9, 0, 1], [9, 2, 0]], [1, 2, 1]
    everything = outcome(classifier, images("x", labels), features(rows))
    assert accuracy("x", "shift", everything).value == 0
    restricted = outcome(classifier, images("x", labels, columns=(1, 2)), features(rows))
    assert restricted.predicted.tolist() == labels
    assert accuracy("x", "shift", restricted).value == 100
    # The softmaxes are over the competing classes alone, of logits and of cosines.
    assert restricted.confidence[0].item() == pytest.approx(1 / (1 + math.exp(-1)))
    assert mcm(restricted.cosines)[0].item() == pytest.approx(1 / (1 + math.exp(-0.8)))


# Newcombe 1998, Statistics in Medicine 17, table I, method 3.
@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_wilson_interval_is_that_of_the_literature(right, n, low, high):
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson(n - right, n) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_the_wilson_interval_at_the_ends():
    z = 1.959964
    assert wilson(0, 10) == pytest.approx((0, z * z / (10 + z * z)))
    assert wilson(10, 10) == pytest.approx((10 / (10 + z * z), 1))


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_wilson_interval_holds_the_share(case):
    right, n = case
    low, high = wilson(right, n)
    assert 0 <= low <= right / n + 1e-12
    assert right / n - 1e-12 <= high <= 1
    assert wilson(right, n, z=3)[0] <= low + 1e-12


def test_detection_holds_each_score_and_convention_once(classifier):
    rng = np.random.default_rng(1)
    known = outcome(classifier, images("test", [0] * 60), features(rng.normal(0, 2, (60, 3))))
    other = outcome(classifier, images("o", count=40), features(rng.normal(0, 1, (40, 3))))
    found = {(m.metric, m.score, m.convention): m for m in detection("o", known, other)}
    assert len(found) == 6
    for score, a, b in (
        ("msp", msp(known.logits), msp(other.logits)),
        ("mcm", mcm(known.cosines), mcm(other.cosines)),
    ):
        assert found["auroc", score, ""].value == 100 * auroc(a, b)
        assert found["fpr95", score, ID_POSITIVE].value == 100 * fpr_at_95_tpr(a, b)
        assert found["fpr95", score, OUTLIER_POSITIVE].value == 100 * fpr_outlier_positive(a, b)
    assert len({m.value for m in found.values()}) == 6  # else the test could not tell them apart
    for m in found.values():
        assert (m.set, m.role, m.unit, m.n, m.temperature) == ("o", "outlier", "%", 40, 1.0)


def test_outliers_face_the_same_classes_as_test(classifier):
    # The same images on both sides: nothing can tell them apart. Were test's maximum taken over its
    # two classes and the outliers' over three, test would look the more confident.
    rows = np.random.default_rng(0).normal(0, 1, (50, 3))
    rows[:, 2] = rows[:, 0]
    task = suite(images("test", [0, 1] * 25, columns=(0, 1)), outliers=[images("o", count=50)])
    found = measured(classifier, task, {"test": features(rows), "o": features(rows)})
    assert {m.score: m.value for m in found if m.metric == "auroc" and m.set} == {"msp": 50, "mcm": 50}


def test_the_rows_of_a_suite_and_their_summary(classifier):
    sure, unsure = [[9, 0, 0]], [[0, 0, 0]]
    task = suite(
        images("test", LABELS),
        shifts=[images("big", [0] * 3), images("small", [1])],
        outliers=[images("far", count=2), images("near", count=1)],
    )
    found = measured(
        classifier,
        task,
        {
            "test": features(TEST),
            "big": features([[1, 0, 0]] * 3),  # 100 %
            "small": features([[1, 0, 0]]),  # 0 %
            "far": features(unsure * 2),  # AUROC 1
            "near": features(sure),  # AUROC 0
        },
    )
    keys = [(m.set, m.metric) for m in found]
    assert keys[:3] == [("test", "accuracy"), ("big", "accuracy"), ("small", "accuracy")]
    assert [key[0] for key in keys[3:15]] == ["far"] * 6 + ["near"] * 6
    last = {m.metric: m for m in found[15:]}
    assert all(m.role == "summary" and m.set == "" for m in last.values())
    assert {name: m.value for name, m in last.items()} == pytest.approx({
        "id_accuracy": 75,
        "shift_accuracy": 50,  # of sets, not of images
        "auroc": 50,
        "mean_of_axes": (75 + 50 + 50) / 3,
        "trainable_parameters": 12,
        "seconds": 1.5,
        "peak_memory": 2.5,
    })  # fmt: skip
    assert (last["id_accuracy"].low, last["id_accuracy"].n) == (found[0].low, 4)
    assert {name: m.unit for name, m in last.items() if m.unit != "%"} == {
        "trainable_parameters": "parameters",
        "seconds": "s",
        "peak_memory": "MiB",
    }


@pytest.mark.parametrize(
    ("shifted", "with_outliers", "axes"),
    [
        (False, False, {"id_accuracy"}),
        (True, False, {"id_accuracy", "shift_accuracy"}),
        (False, True, {"id_accuracy", "auroc"}),
    ],
)
def test_an_axis_without_sets_is_left_out(classifier, shifted, with_outliers, axes):
    task = suite(
        images("test", LABELS),
        [images("shift", LABELS)] if shifted else [],
        [images("o")] if with_outliers else [],
    )
    found = measured(classifier, task, dict.fromkeys(("test", "shift", "o"), features(TEST)))
    names = {m.metric for m in found if m.role == "summary"}
    assert names == axes | {"trainable_parameters", "seconds", "peak_memory"}
    moved = {m.metric for m in changes(found, found)}
    assert len(moved) == len(axes)


def test_changes_are_points_against_the_untouched(classifier):
    task = suite(images("test", LABELS), [images("shift", LABELS)], [images("o")])
    before = measured(classifier, task, dict.fromkeys(("test", "shift", "o"), features(TEST)))
    after = [
        replace(m, value=m.value + {"id_accuracy": 8, "shift_accuracy": -5, "auroc": -0.25}.get(m.metric, 0))
        if m.role == "summary"
        else m
        for m in before
    ]
    found = list(changes(after, before))
    assert {m.metric: m.value for m in found} == {"delta_id": 8, "delta_shift": -5, "delta_auroc": -0.25}
    assert {(m.role, m.unit, m.set) for m in found} == {("summary", "points", "")}
    assert [m.value for m in changes(before, before)] == [0, 0, 0]


def test_the_auroc_of_the_summary_is_that_of_msp(classifier):
    measured = [
        Metric("test", "test", "accuracy", 50.0),
        Metric("o", "outlier", "auroc", 90.0, score="msp"),
        Metric("o", "outlier", "auroc", 10.0, score="mcm"),
    ]
    (found,) = (m for m in summary(measured, classifier) if m.metric == "auroc")
    assert (found.value, found.score) == (90, "msp")
