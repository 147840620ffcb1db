"""Outputs, accuracies and the whole of what is measured, on small sets worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anchorline import UserError
from anchorline.classifier.adapted import FeaturePair
from anchorline.evaluation.base import Options
from anchorline.evaluation.evaluators.accuracy import accuracies, accuracy, wilson
from anchorline.evaluation.evaluators.summary import axes, changes
from anchorline.evaluation.evaluators.table import measure
from anchorline.evaluation.outputs import outputs_of
from anchorline.metric import ID_POSITIVE, OUTLIER_POSITIVE
from anchorline.metrics.scores import mcm
from tests.helpers.examined import (
    CLASSES,
    answering,
    by_key,
    classifier_on,
    confident,
    evaluation,
    images,
    outputs,
    values,
)

TEST = outputs([[3, 1, 0], [0, 3, 1], [0, 2, 3], [5, 0, 0]], [0, 1, 2, 2])  # says a, b, c, a


def test_accuracy_over_all_classes():
    found = accuracy("test", "test", TEST)
    assert (found.set, found.role, found.value, found.unit, found.n) == ("test", "test", 75, "%", 4)
    assert (found.low, found.high) == tuple(100 * bound for bound in wilson(3, 4))


def test_only_the_classes_of_a_set_compete(tiny_encoder):
    classifier, labels = classifier_on(tiny_encoder), [1, 2, 1]
    vectors = torch.tensor([[9.0, 1, 0], [9, 0, 1], [9, 2, 0]])
    everything = outputs_of(classifier, images("x", labels), FeaturePair(vectors, vectors))
    assert accuracy("x", "shift", everything).value == 0
    restricted = outputs_of(classifier, images("x", labels, columns=(1, 2)), FeaturePair(vectors, vectors))
    assert restricted.predicted.tolist() == labels
    assert accuracy("x", "shift", restricted).value == 100
    # The softmaxes are over the competing classes alone, of logits and of cosines.
    assert restricted.confidence[0].item() == pytest.approx(1 / (1 + math.exp(-1)))
    assert mcm(restricted.cosines)[0].item() == pytest.approx(1 / (1 + math.exp(-0.8)))


def test_with_all_classes_competing_where_some_shifts_have_a_part(tiny_encoder):
    """As the released scripts of the Reprogrammer measure ImageNet-A and -R."""
    classifier, labels = classifier_on(tiny_encoder), [1, 2, 1]
    vectors = FeaturePair(*[torch.tensor([[9.0, 1, 0], [0, 0, 9], [9, 2, 0]])] * 2)
    whole, part = (outputs_of(classifier, images("x", labels, columns=c), vectors) for c in (None, (1, 2)))
    found = values(
        accuracies(evaluation({"test": whole, "whole": whole, "part": part})), "accuracy_among_all"
    )
    assert found == {"whole": pytest.approx(100 / 3), "part": pytest.approx(100 / 3)}
    assert values(accuracies(evaluation({"test": whole, "whole": whole})), "accuracy_among_all") == {}


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


# ---- the worst


def test_the_worst_class_has_five_images_and_the_worst_group_spans_the_sets():
    # a: 4 of 5 right, b: 3 of 6, c: 0 of 4, which are too few.
    test = answering([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [0] * 5 + [1] * 6 + [2] * 4)
    shift = answering([0, 1, 1, 1, 1, 0, 0, 0, 0], [0] * 5 + [1] * 4)  # a: 1 of 5, b: 0 of 4
    small = answering([1, 1, 1, 1], [0] * 4)
    found = by_key(accuracies(evaluation({"test": test, "shift": shift, "small": small})))
    worst = {key[:3]: (m.value, m.n) for key, m in found.items() if m.metric.startswith("worst")}
    assert worst == {
        ("test", "test", "worst_class"): (50, 6),
        ("shift", "shift", "worst_class"): (20, 5),
        ("", "summary", "worst_group"): (20, 5),
    }
    best = {"test": test, "shift": answering([0] * 5, [0] * 5)}
    assert values(accuracies(evaluation(best)), "worst_group") == {"": 50}
    assert not values(accuracies(evaluation({"test": small})), "worst_group")


# ---- subsets of the classes


def test_of_a_subset_only_its_classes_compete_and_only_its_images_count():
    test = outputs([[1, 0, 9], [0, 1, 9], [1, 0, 9], [9, 0, 1]], [0, 1, 1, 2])  # says c, c, c, a: all wrong
    shift = outputs([[0, 0, 1]] * 3, [2] * 3)  # has neither a nor b
    part = outputs([[0, 1, 2], [0, 2, 1]], [1, 1], columns=(1, 2))  # a does not compete
    sets = {"test": test, "shift": shift, "part": part}
    found = by_key(accuracies(evaluation(sets, subsets={"a or b": ("b", "a", "b"), "c": ("c",)})))
    subset = {key[0]: (m.value, m.n) for key, m in found.items() if m.role == "subset"}
    assert subset == {
        "test/a or b": (pytest.approx(200 / 3), 3),
        "part/a or b": (100, 2),
        "test/c": (100, 1),
        "shift/c": (100, 3),
    }
    one = found["test/a or b", "subset", "accuracy", "", ""]
    assert (one.low, one.high) == tuple(100 * bound for bound in wilson(2, 3))
    assert values(accuracies(evaluation(sets)), "accuracy") == {"test": 0, "shift": 100, "part": 50}


def test_a_subset_of_an_unknown_class_is_one_sentence():
    with pytest.raises(UserError) as caught:
        Options(subsets={"some": ("a", "d")}).columns_of_subsets(CLASSES)
    assert str(caught.value) == "subset 'some' names 'd', which is no class; the classes are a, b, c"
    many = tuple(map(str, range(20)))
    with pytest.raises(UserError, match=r"the classes are 0, 1, 2, 3, 4, 5, 6, 7 …$"):
        Options(subsets={"some": ("d",)}).columns_of_subsets(many)


# ---- everything


LABELLED = ("accuracy", "worst_class", "agreement", "negative_flips", "positive_flips", "ece", "nll", "brier")
DETECTED = [
    *(("auroc", ""), ("aupr_in", ""), ("aupr_out", ""), ("fpr95", ID_POSITIVE), ("fpr95", OUTLIER_POSITIVE)),
    ("detection_error", ""),
]
COST = {"trainable_parameters": "parameters", "seconds": "s", "peak_memory": "MiB"}
UNITS = {"nll": "nats", "brier": "", "relative_robustness": "points", "effective_robustness": "points"} | COST


def everything():
    labels = [0] * 5 + [1] * 5
    rows = [[2, 1, 0]] * 4 + [[0, 2, 1]] * 4 + [[1, 0, 1.5]] * 2
    part = [[r, s, 9] for r, s, _ in rows]
    sets = {
        "test": outputs(rows, labels),
        "shift": outputs(rows[::-1], labels),
        "part": outputs(part, labels, columns=(0, 1)),  # c, which would win, does not compete
        "far": outputs([[9, 8.7, -50], [5, 0, 0], [0, 0, 0]]),  # MSP and MCM differ in their order
        "near": confident([0.7, 0.6]),
    }
    before = {name: replace(one, logits=one.logits.roll(1, 0)) for name, one in sets.items()}
    val = outputs(rows[:9], labels[:9])
    return evaluation(
        sets, before, val, ("msp", "energy", "mcm"), ["near"], subsets={"two": ("a", "b")}, keep=0.8
    )


def expected_keys():
    for name, role in (("test", "test"), ("shift", "shift"), ("part", "shift")):
        yield from ((name, role, metric, "", "") for metric in LABELLED)
        yield from ((name, role, metric, "scaled", "") for metric in ("ece", "nll", "brier"))
        yield name, role, "aurc", "msp", ""
        yield from ((name, role, metric, "msp", "keep 0.8") for metric in ("coverage", "selective_accuracy"))
        yield f"{name}/two", "subset", "accuracy", "", ""
        if role == "shift":
            yield name, role, "relative_robustness", "", ""
            yield name, role, "effective_robustness", "", "line through the untouched encoder"
    for name in ("far", "near"):
        yield name, "outlier", "coverage", "msp", "keep 0.8"
    for score in ("msp", "energy", "mcm"):
        for name, role in (("far", "outlier"), ("near", "outlier")):
            yield from ((name, role, metric, score, convention) for metric, convention in DETECTED)
        for group in ("all", "near", "far"):
            yield from ((group, "detection", metric, score, convention) for metric, convention in DETECTED)
    for metric in ("id_accuracy", "shift_accuracy", "mean_of_axes", "worst_group", *COST):
        yield "", "summary", metric, "", ""
    yield "", "summary", "auroc", "msp", ""


def test_every_row_is_there_once_and_whole():
    found = by_key(measure(everything()))
    assert sorted(found) == sorted(expected_keys())
    sizes = {"test": 10, "shift": 10, "part": 10, "far": 3, "near": 2}
    for (name, role, metric, score, _), m in found.items():
        assert math.isfinite(m.value), m
        assert m.unit == UNITS.get(metric, "%")
        assert m.n == {"worst_class": 5, "worst_group": 5, "id_accuracy": 10}.get(
            metric, None if role in ("summary", "detection") else sizes[name.split("/")[0]]
        )
        bounded = metric in ("accuracy", "id_accuracy") or (score and metric in dict(DETECTED) and name)
        assert math.isfinite(m.low) == math.isfinite(m.high) == bool(bounded)
        if bounded:
            assert 0 <= m.low <= m.high <= 100
        tempered = metric in ("ece", "nll", "brier", "coverage", "selective_accuracy")
        tempered |= score in ("msp", "mcm") and metric in dict(DETECTED) and bool(name)
        assert math.isnan(m.temperature) != tempered, m
        assert score == "scaled" or not tempered or m.temperature == 1


def test_the_three_axes_are_those_of_the_rows():
    sets = {
        "test": answering([0, 1, 2, 0], [0, 1, 2, 2]),
        "big": answering([0] * 3, [0] * 3),
        "small": answering([0], [1]),
        "far": outputs([[0, 0, 0]] * 2),  # AUROC 1
        "near": outputs([[9, 0, 0]]),  # AUROC 0
    }
    rows = measure(evaluation(sets))
    last = {m.metric: m for m in rows if m.role == "summary"}
    assert {name: m.value for name, m in last.items()} == pytest.approx({
        "id_accuracy": 75,
        "shift_accuracy": 50,  # of sets, not of images
        "auroc": 50,
        "mean_of_axes": (75 + 50 + 50) / 3,
        "trainable_parameters": 12,
        "seconds": 1.5,
        "peak_memory": 2.5,
    })  # fmt: skip
    assert (last["id_accuracy"].low, last["id_accuracy"].high) == (rows[0].low, rows[0].high)
    assert [m.metric for m in rows[-7:]] == list(last)  # they come last


def test_the_auroc_of_the_summary_is_the_mean_of_msp():
    whole = everything()
    found = by_key(measure(whole))
    auroc = found["", "summary", "auroc", "msp", ""].value
    assert auroc == pytest.approx(found["all", "detection", "auroc", "msp", ""].value)
    assert auroc != pytest.approx(found["all", "detection", "auroc", "mcm", ""].value)
    assert found["", "summary", "auroc", "msp", ""] in axes(whole.suite, whole.outputs)


@pytest.mark.parametrize(
    ("more", "present"),
    [
        ((), {"id_accuracy"}),
        (("shift",), {"id_accuracy", "shift_accuracy"}),
        (("far",), {"id_accuracy", "auroc"}),
    ],
)
def test_what_has_no_sets_is_left_out(more, present):
    whole = everything()
    sets = {name: whole.outputs[name] for name in ("test", *more)}
    found = measure(evaluation(sets))  # and without val
    assert {m.metric for m in found if m.role == "summary"} == {*present, "worst_group", *COST}
    assert {m.set for m in found if m.role not in ("summary", "detection")} == set(sets)
    assert ("detection" in {m.role for m in found}) == ("far" in more)
    assert {m.set for m in found if m.metric == "relative_robustness"} == {*more} - {"far"}
    assert not {"coverage", "selective_accuracy"} & {m.metric for m in found}
    assert "scaled" not in {m.score for m in found}
    assert all(math.isfinite(m.value) for m in found)
    assert len(list(changes(found, found))) == len(present)


def test_changes_are_points_against_the_untouched():
    before = measure(everything())
    after = [
        replace(m, value=m.value + {"id_accuracy": 8, "shift_accuracy": -5, "auroc": -0.25}.get(m.metric, 0))
        if m.role == "summary"
        else m
        for m in before
    ]
    found = list(changes(after, before))
    assert {m.metric: m.value for m in found} == pytest.approx(
        {"delta_id": 8, "delta_shift": -5, "delta_auroc": -0.25}
    )
    assert {(m.role, m.unit, m.set) for m in found} == {("summary", "points", "")}
    assert [m.value for m in changes(before, before)] == [0, 0, 0]
