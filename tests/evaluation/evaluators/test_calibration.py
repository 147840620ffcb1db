"""Calibration, open-set decisions and robustness, on small sets worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchorline.evaluation.base import Options
from anchorline.evaluation.evaluators.calibration import confidence, temperature_of
from anchorline.evaluation.evaluators.open_set import open_set
from anchorline.evaluation.evaluators.robustness import robustness
from anchorline.tasks.classification.facts import guarantee
from tests.helpers.examined import answering, by_key, confident, evaluation, outputs, suite_of, sure, values

PROBABILITIES = [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.5, 0.25, 0.25], [0.05, 0.05, 0.9]]
TEST = sure(PROBABILITIES, [0, 1, 0, 2])  # the second answer is wrong
# Of four images with odds of 9 to 1, three are right: odds of 3 to 1, the root. Class c does not compete.
VAL = sure([[0.9, 0.1, 0]] * 4, [0, 0, 0, 1])


def ece(probabilities):
    """Each confidence is another, and a bin."""
    gaps = [abs(max(row) - right) for row, right in zip(probabilities, (1, 0, 1, 1), strict=True)]
    return 100 * sum(gaps) / 4


def test_confidence_as_it_is():
    found = by_key(confidence(evaluation({"test": TEST})))
    own = {key[2:4]: m for key, m in found.items()}
    assert {key: m.value for key, m in own.items()} == pytest.approx({
        ("ece", ""): 100 * (0.2 + 0.6 + 0.5 + 0.1) / 4,
        ("nll", ""): -math.log(0.8 * 0.3 * 0.5 * 0.9) / 4,
        ("brier", ""): (0.06 + 0.86 + 0.375 + 0.015) / 4,
        ("aurc", "msp"): 100 * (0 + 0 + 1 / 3 + 1 / 4) / 4,
    }, rel=1e-5)  # fmt: skip
    assert {m.metric: (m.unit, m.n) for m in found.values()} == {
        "ece": ("%", 4), "nll": ("nats", 4), "brier": ("", 4), "aurc": ("%", 4),
    }  # fmt: skip
    assert {m.temperature for m in found.values() if m.metric != "aurc"} == {1}


def test_confidence_at_the_temperature_of_val():
    shift = sure([[0.8, 0.2, 0]] * 3, [0, 0, 0])  # c does not compete
    whole = evaluation({"test": TEST, "shift": shift}, val=VAL)
    assert temperature_of(whole) == pytest.approx(2, rel=1e-4)
    found = by_key(confidence(whole))
    roots = [[p**0.5 for p in row] for row in PROBABILITIES]
    scaled = [[p / sum(row) for p in row] for row in roots]
    truth = [scaled[i][label] for i, label in enumerate((0, 1, 0, 2))]
    squares = sum(p * p for row in scaled for p in row) - 2 * sum(truth) + 4
    for metric, value in (
        ("ece", ece(scaled)),
        ("nll", -sum(map(math.log, truth)) / 4),
        ("brier", squares / 4),
    ):
        one = found["test", "test", metric, "scaled", ""]
        assert one.value == pytest.approx(value, rel=1e-4)
        assert one.temperature == pytest.approx(2, rel=1e-4)
        assert one.value != pytest.approx(found["test", "test", metric, "", ""].value, rel=1e-2)
    p = 2 / 3  # odds of 4 to 1 become 2 to 1
    for metric, value in (("ece", 100 * (1 - p)), ("nll", -math.log(p)), ("brier", 2 * (1 - p) ** 2)):
        assert found["shift", "shift", metric, "scaled", ""].value == pytest.approx(value, rel=1e-4)


def test_without_val_nothing_is_scaled_and_nothing_decided():
    whole = evaluation({"test": TEST, "o": confident([0.9])})
    assert {m.score for m in confidence(whole)} == {"", "msp"}
    assert temperature_of(whole) is None
    assert list(open_set(whole)) == []


def test_a_val_that_is_all_right_scales_nothing():
    whole = evaluation({"test": TEST}, val=sure([[0.9, 0.1, 0]] * 4, [0] * 4))
    assert temperature_of(whole) is None  # the lower, the likelier: there is no best one
    assert {m.score for m in confidence(whole)} == {"", "msp"}


def test_the_open_set_threshold_is_that_of_val():
    val = confident([0.6, 0.9, 0.8])  # floor(4 * .5) = 2: the second lowest, .8
    sets = {"test": TEST, "shift": TEST, "o": confident([0.95, 0.7]), "low": confident([0.55])}
    found = by_key(open_set(evaluation(sets, val=val, keep=0.5)))
    assert {key[:3]: m.value for key, m in found.items()} == {
        ("test", "test", "coverage"): 50,  # .9 and .8, both right
        ("test", "test", "selective_accuracy"): 100,
        ("shift", "shift", "coverage"): 50,
        ("shift", "shift", "selective_accuracy"): 100,
        ("o", "outlier", "coverage"): 50,
        ("low", "outlier", "coverage"): 0,
    }
    assert {m.n for m in found.values()} == {4, 2, 1}
    assert {(m.score, m.temperature, m.unit) for m in found.values()} == {("msp", 1.0, "%")}


def test_a_val_too_small_for_the_promise_keeps_all():
    sets = {"test": TEST, "o": confident([0.51])}
    found = list(open_set(evaluation(sets, val=confident([0.9] * 18), keep=0.95)))
    assert values(found, "coverage", "msp") == {"test": 100, "o": 100}
    assert values(found, "selective_accuracy", "msp") == {"test": 75}
    found = list(open_set(evaluation(sets, val=confident([0.9] * 19), keep=0.95)))  # one more is enough
    assert values(found, "coverage", "msp") == {"test": 25, "o": 0}


def test_the_page_promises_what_val_can_hold():
    few = suite_of({"test": TEST})  # three images of val
    assert "all images are kept" in guarantee(few, Options(keep=0.95))
    assert "keeps 50 % of images like val" in guarantee(few, Options(keep=0.5))


def test_where_nothing_is_kept_there_is_no_accuracy_of_it():
    found = by_key(open_set(evaluation({"test": TEST}, val=confident([0.95] * 9), keep=0.9)))
    assert [key[2] for key in found] == ["coverage"]
    assert next(iter(found.values())).value == 0


@given(st.lists(st.floats(0.5, 0.999), min_size=1, max_size=60), st.floats(0.01, 1))
def test_of_val_itself_the_share_is_kept(shares, keep):
    val = confident(shares)
    whole = evaluation({"test": TEST, "val again": val}, val=val, detectors=("msp",), keep=keep)
    assert values(open_set(whole), "coverage", "msp")["val again"] >= 100 * keep - 1e-9


# ---- robustness

BEFORE = {"test": answering([0, 0, 1, 1], [0, 1, 1, 2]), "shift": answering([0, 0, 0, 0], [0, 1, 1, 2])}
AFTER = {"test": answering([0, 1, 1, 1], [0, 1, 1, 2]), "shift": answering([0, 1, 2, 2], [0, 1, 1, 2])}
# Of four: before, 2 and 1 are right; after, 3 and 3.


def test_what_adapting_changed_image_by_image():
    sets = {"test": AFTER["test"], "shift": answering([1, 1, 1, 0], [0, 1, 1, 2])}
    found = by_key(robustness(evaluation(sets, BEFORE)))
    assert {key[:3]: m.value for key, m in found.items() if m.unit == "%"} == {
        ("test", "test", "agreement"): 75,
        ("test", "test", "negative_flips"): 0,
        ("test", "test", "positive_flips"): 25,
        ("shift", "shift", "agreement"): 25,
        ("shift", "shift", "negative_flips"): 25,
        ("shift", "shift", "positive_flips"): 50,
    }
    assert {m.n for m in found.values()} == {4}


def test_robustness_against_the_line_through_the_untouched():
    found = by_key(robustness(evaluation(AFTER, BEFORE)))
    points = {key[:3]: m.value for key, m in found.items() if m.unit == "points"}
    assert points == pytest.approx({
        ("shift", "shift", "relative_robustness"): 50,
        # Before, odds of 1 fell to 1/3. Now they are 3, so that odds of 1, a half, would be expected.
        ("shift", "shift", "effective_robustness"): 75 - 50,
    })  # fmt: skip


def test_robustness_against_reference_models():
    reference = ((0.5, 0.5), (0.9, 0.9))  # as accurate under the shift as without it
    found = list(robustness(evaluation(AFTER, BEFORE, reference=reference)))
    assert values(found, "effective_robustness") == pytest.approx({"shift": 0})
    assert values(found, "relative_robustness") == {"shift": 50}
    found = robustness(evaluation(BEFORE, reference=reference))
    assert values(found, "effective_robustness") == pytest.approx({"shift": -25})


@given(st.integers(0, 10), st.lists(st.integers(1, 9), max_size=3))
def test_the_untouched_encoder_is_the_line(right, shifted):
    def of(count):
        return answering([0] * count + [1] * (10 - count), [0] * 10)

    sets = {"test": of(right), **{f"shift {i}": of(count) for i, count in enumerate(shifted)}}
    found = list(robustness(evaluation(sets, detectors=("msp",))))
    for metric in ("relative_robustness", "effective_robustness"):
        own = values(found, metric)
        assert own.keys() == sets.keys() - {"test"}
        assert own == pytest.approx(dict.fromkeys(own, 0), abs=1e-9)
    assert set(values(found, "agreement").values()) == {100}
    assert (
        set(values(found, "negative_flips").values()) == set(values(found, "positive_flips").values()) == {0}
    )


def test_classes_that_do_not_compete_reach_every_evaluator():
    rows, labels = [[1, 2, 9], [2, 1, 9], [3, 0, 9]], [1, 0, 1]
    part = outputs(rows, labels, columns=(0, 1))  # else all answers were c
    whole = evaluation(
        {"test": part, "shift": part}, {"test": part, "shift": outputs(rows, labels)}, val=part
    )
    found = [m for evaluator in (confidence, open_set, robustness) for m in evaluator(whole)]
    assert all(math.isfinite(m.value) for m in found)
    assert values(found, "agreement") == {"test": 100, "shift": 0}
    odds = [math.e, math.e, math.e**-3]
    nll = sum(math.log(1 + 1 / odd) for odd in odds) / 3
    assert values(found, "nll")["test"] == pytest.approx(nll, rel=1e-5)
    brier = sum(2 / (1 + odd) ** 2 for odd in odds) / 3
    assert values(found, "brier")["test"] == pytest.approx(brier, rel=1e-5)
    # The surest answer is the wrong one.
    assert values(found, "aurc", "msp")["test"] == pytest.approx(100 * (1 + 1 / 2 + 1 / 3) / 3)
