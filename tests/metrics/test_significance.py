"""The paired bootstrap: values by hand, Holm against a brute force, its errors and its power."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from anchorline.metrics.axes import Ranks
from anchorline.metrics.bootstrap import Streams
from anchorline.metrics.significance import COLUMNS, differences, enough, holm, seed_weights

AXES = ["id_accuracy", "shift_accuracy", "auroc"]


def suite(rng, seeds, n=120, edge=0.0):
    """Test, shifts, scores of test and outlier sets of methods, each `edge` better than the one before."""
    shares = [0.6 + edge * at for at in range(len(seeds))]

    def right(count):
        return [rng.random((s, count)) < share for s, share in zip(seeds, shares, strict=True)]

    def scores(count, mean):
        return [rng.normal(mean * (1 + 10 * edge * at), 1, (s, count)) for at, s in enumerate(seeds)]

    shifts = {"photos": right(n // 2), "sketches": right(n)}
    return right(n), shifts, scores(n, 1), {"far": scores(n // 3, 0), "near": scores(n, 0)}


def names(seeds):
    return [f"m{at}" for at in range(len(seeds))]


def test_a_row_for_each_pair_and_axis_with_the_differences_themselves():
    seeds = (3, 1, 2)
    test, shifts, inside, outside = suite(np.random.default_rng(0), seeds)
    found = differences(names(seeds), test, shifts, inside, outside, repeats=200)
    assert tuple(found.columns) == COLUMNS
    assert list(found.axis) == [axis for axis in AXES for _ in range(3)]
    assert list(zip(found.a, found.b, strict=True)) == [("m0", "m1"), ("m0", "m2"), ("m1", "m2")] * 3

    def areas(m):
        truth = {name: [1] * 120 + [0] * sets[m].shape[1] for name, sets in outside.items()}
        return [
            [roc_auc_score(truth[k], np.r_[inside[m][s], outside[k][m][s]]) for s in range(seeds[m])]
            for k in outside
        ]

    values = {
        "id_accuracy": [100 * np.mean(one) for one in test],
        "shift_accuracy": [
            50 * (np.mean(shifts["photos"][m]) + np.mean(shifts["sketches"][m])) for m in range(3)
        ],
        "auroc": [100 * np.mean(areas(m)) for m in range(3)],
    }
    for row in found.itertuples():
        a, b = int(row.a[1]), int(row.b[1])
        assert row.difference == pytest.approx(values[row.axis][a] - values[row.axis][b])
        assert row.low < row.difference < row.high


def test_an_axis_without_sets_is_left_out_and_one_method_has_no_rival():
    test, _, inside, outside = suite(np.random.default_rng(1), (1, 1))
    assert set(differences("ab", test, {}, inside, {}, repeats=50).axis) == {"id_accuracy"}
    assert set(differences("ab", test, {}, inside, outside, repeats=50).axis) == {"id_accuracy", "auroc"}
    alone = differences("a", test[:1], {}, inside[:1], {}, repeats=50)
    assert len(alone) == 0
    assert tuple(alone.columns) == COLUMNS


def test_the_same_answers_are_no_difference():
    test, shifts, inside, outside = suite(np.random.default_rng(2), (1,))
    twice = [
        test * 2,
        {k: v * 2 for k, v in shifts.items()},
        inside * 2,
        {k: v * 2 for k, v in outside.items()},
    ]
    found = differences("ab", *twice, repeats=100)
    assert (found[["difference", "low", "high"]] == 0).all(axis=None)
    assert (found[["p", "p_holm"]] == 1).all(axis=None)
    assert not found.significant.any()


def test_images_are_shared_by_the_methods():
    """b is right wherever a is, and on one image in twelve more: unpaired noise would be far larger."""
    right = np.random.default_rng(3).random((1, 240)) < 0.5
    better = right.copy()
    better[0, np.flatnonzero(~right[0])[:20]] = True
    found = differences("ab", [right, better], {}, [], {}, repeats=2000).iloc[0]
    assert found.difference == pytest.approx(-100 / 12)
    assert found.high < 0
    width = 2 * 1.96 * 100 * np.sqrt(1 / 12 * 11 / 12 / 240)  # binomial, of the images that differ
    assert found.high - found.low == pytest.approx(width, rel=0.12)
    assert found.p == pytest.approx(2 / 2001)
    assert found.significant


def test_seeds_are_resampled_with_the_variance_of_their_mean():
    """No image noise: each training scores the same on every image, so that seeds alone vary."""
    shares = np.array([0.2, 0.5, 0.8])
    steady = [np.full((1, 10), 0.5), np.tile(shares[:, None], 10)]
    found = differences("ab", steady, {}, [], {}, repeats=4000).iloc[0]
    assert found.difference == pytest.approx(0, abs=1e-3)
    # Two of three are drawn: means of .2 to .8, the ends with a chance of 1/9 each.
    assert (found.low, found.high) == pytest.approx((-30, 30), abs=1e-3)
    weights = seed_weights(Streams(0), ["b"], [3], 4000)
    assert (weights @ shares).var() == pytest.approx(shares.var(ddof=1) / 3, rel=0.05)
    one = differences("ab", [steady[0], steady[1][:1]], {}, [], {}, repeats=100).iloc[0]
    assert (one.low, one.high) == pytest.approx((30, 30), abs=1e-3)  # one seed shows no spread


def test_seeds_of_a_method_must_agree_between_sets():
    test, shifts, inside, outside = suite(np.random.default_rng(4), (2, 1))
    with pytest.raises(ValueError, match=r"photos has \[1, 2\] seeds by method, and test \[2, 1\]"):
        differences("ab", test, {"photos": shifts["photos"][::-1]}, inside, outside)


def test_results_depend_on_the_seed_alone():
    rng = np.random.default_rng(5)
    sets = suite(rng, (2, 1))
    one, same, other = (differences("ab", *sets, repeats=150, seed=seed) for seed in (0, 0, 1))
    assert one.equals(same)
    assert not one.low.equals(other.low)


@pytest.mark.parametrize("digits", [0, 12])
def test_weighted_ranks_equal_scikit_learn(digits):
    rng = np.random.default_rng(6)
    inside, outside = rng.normal(1, 1, 50).round(digits), rng.normal(0, 1, 30).round(digits)
    a, b = Streams(0).draw(20, "a", 50), Streams(0).draw(20, "b", 30)
    found = (Ranks(inside, outside).wins(a) * b).sum(1) / (50 * 30)
    for value, some, others in zip(found, a, b, strict=True):
        scores = np.r_[np.repeat(inside, some), np.repeat(outside, others)]
        assert value == pytest.approx(roc_auc_score([1] * 50 + [0] * 30, scores))


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).tolist() == [1, 1]


@given(st.lists(st.floats(0.0001, 1), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.3]))
def test_holm_rejects_what_its_steps_reject(p, level):
    steps, rejected = sorted(range(len(p)), key=p.__getitem__), set()
    for at, index in enumerate(steps):
        if p[index] * (len(p) - at) >= level:
            break
        rejected.add(index)
    adjusted = holm(np.array(p))
    assert {i for i in range(len(p)) if adjusted[i] < level} == rejected
    assert (adjusted >= np.array(p) - 1e-15).all()


@pytest.mark.parametrize("methods", [2, 3, 9, 18, 60])
def test_the_default_number_of_resamples_can_pass_holm(methods):
    pairs = methods * (methods - 1) // 2
    assert 2 * pairs / (enough(methods) + 1) < 0.05


def test_equal_methods_differ_no_more_often_than_promised():
    """Families of three equal methods of one training each, which agree on most images."""
    rng = np.random.default_rng(7)
    small, families = [], 0
    for trial in range(120):
        hard = rng.random(150) < 0.5  # images that are a coin's toss for each method
        test = [np.where(hard, rng.random((1, 150)) < 0.5, True) for _ in range(3)]
        base_in, base_out = rng.normal(1, 1, 150), rng.normal(0, 1, 100)
        inside = [base_in + rng.normal(0, 0.5, (1, 150)) for _ in range(3)]
        outside = [base_out + rng.normal(0, 0.5, (1, 100)) for _ in range(3)]
        found = differences("abc", test, {}, inside, {"o": outside}, repeats=400, seed=trial)
        small.append(found.p.to_numpy())
        families += found.groupby("axis").significant.any().sum()
    p = np.concatenate(small)
    for level in (0.05, 0.2, 0.5, 0.8):  # uniform, within the noise of 720 dependent tests
        assert (p <= level).mean() == pytest.approx(level, abs=0.06)
    assert families / 240 <= 0.085  # nominal .05, its standard error .014


def test_real_differences_are_found():
    rng = np.random.default_rng(8)
    seeds = (3, 3, 3)
    found = differences(names(seeds), *suite(rng, seeds, n=900, edge=0.1))
    assert found.significant.all()
    assert (found.high < 0).all()
    small = differences(names(seeds), *suite(rng, seeds, n=30, edge=0.005))
    assert not small.significant.any()
