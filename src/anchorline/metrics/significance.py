"""Which differences between methods are larger than noise: a bootstrap over images and seeds, paired.

The images of each set are resampled, the same for all methods, and the seeds of each method. Images stand
for the chance in the choice of a test set, seeds for the chance in training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from anchorline.metrics.axes import Axes, BySeed
from anchorline.metrics.bootstrap import Floats, Streams, interval

COLUMNS = ("a", "b", "axis", "difference", "low", "high", "p", "p_holm", "significant")
LEVEL = 0.05  # the chance of any false alarm over all pairs of an axis
_BLOCK = 128  # resamples in work at once


def differences(
    methods: Sequence[str],
    test: BySeed,
    shifts: Mapping[str, BySeed],
    inside: BySeed,
    outside: Mapping[str, BySeed],
    repeats: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Every pair of methods on every axis, a row each: the columns `COLUMNS`.

    The axes are accuracy on test (id_accuracy), mean accuracy over the shifts (shift_accuracy), and mean
    AUROC over the outlier sets (auroc); an axis without sets is left out.

    `difference` is a less b in points, `low` and `high` its 95 % percentile interval; `p` the two-sided
    bootstrap p, twice the smaller of the shares of resamples at or beyond 0 on either side, where one is
    added to the count and to the number of resamples (Davison & Hinkley 1997, chapter 4); `p_holm` that of
    Holm (1979) over all pairs of the axis; `significant` whether it is below .05.

    Of S > 1 seeds S - 1 are drawn, with replacement: S draws would give a mean over seeds (S - 1) / S of its
    variance (Rao & Wu 1988, JASA 83). Resampling images and seeds both counts what is peculiar to one image
    in one training more than once, and so errs to the safe side (Owen 2007, The pigeonhole bootstrap).
    But few seeds tell little of their spread: of equal methods of three seeds that spread four times
    as far as the choice of images, 12 % had p < .05 (2 % where it was as far). One seed
    shows no spread at all.

    Args:
        methods: their names.
        test: whether each answer on the test set is right, [seeds, N], by method.
        shifts: the same for each shift.
        inside: scores of the test set [seeds, N], by method; higher for more in-distribution.
        outside: scores of each outlier set [seeds, M], by method.
        repeats: number of resamples, `enough` of them by default.
        seed: of the draws.

    Raises `ValueError` if a method has more seeds on one set than on another.
    """
    seeds = [len(np.asarray(one)) for one in test]
    axes = Axes(seeds, test, shifts, inside, outside)
    starts = np.cumsum([0, *seeds[:-1]])

    even = np.repeat([1 / s for s in seeds], seeds)
    whole = axes.values(lambda name, n: np.ones((1, n), np.uint8))
    points = {axis: np.add.reduceat(one[0] * even, starts) for axis, one in whole.items()}

    repeats = repeats or enough(len(methods))
    streams = Streams(seed)
    blocks: dict[str, list[Floats]] = {axis: [] for axis in points}
    for start in range(0, repeats, _BLOCK):
        rows = min(_BLOCK, repeats - start)
        weights = seed_weights(streams, methods, seeds, rows)
        for axis, one in axes.values(partial(streams.draw, rows)).items():
            blocks[axis].append(np.add.reduceat(one * weights, starts, axis=1))
    tables = [
        _pairs(methods, axis, 100 * points[axis], 100 * np.concatenate(blocks[axis])) for axis in points
    ]
    return pd.concat(tables, ignore_index=True)


def enough(methods: int) -> int:
    """Resamples that let Holm's correction see a difference: the smallest p is 2 / (repeats + 1), and times
    the number of pairs it must come below .05. 50 for each pair, and at least 1,000."""
    return max(1000, 50 * math.comb(methods, 2))


def holm(p: Floats) -> Floats:
    """Holm's step-down p of a family of tests (1979, Scandinavian Journal of Statistics 6), in order."""
    order = p.argsort()
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    adjusted = np.empty_like(stepped)
    adjusted[order] = stepped
    return adjusted


def seed_weights(streams: Streams, methods: Sequence[str], seeds: Sequence[int], rows: int) -> Floats:
    """How much each training counts [rows, sum(seeds)]: those of a method add up to 1."""
    drawn = []
    for method, s in zip(methods, seeds, strict=True):
        size = max(1, s - 1)
        drawn.append(streams.of(f"seeds of {method}").multinomial(size, [1 / s] * s, rows) / size)
    return np.concatenate(drawn, axis=1)


def _pairs(methods: Sequence[str], axis: str, points: Floats, drawn: Floats) -> pd.DataFrame:
    """The rows of one axis, from values [methods] and their resamples [repeats, methods]."""
    rows = []
    for i, j in combinations(range(len(methods)), 2):
        gap = drawn[:, i] - drawn[:, j]
        # Float noise of sums in another order is no difference; points have far fewer digits.
        gap[np.abs(gap) < 1e-9] = 0
        beyond = min(np.count_nonzero(gap <= 0), np.count_nonzero(gap >= 0))
        p = min(1.0, 2 * (beyond + 1) / (len(gap) + 1))
        rows.append((methods[i], methods[j], axis, points[i] - points[j], *interval(gap), p))
    table = pd.DataFrame(rows, columns=list(COLUMNS[:7]))
    adjusted = holm(table["p"].to_numpy(dtype=np.float64))
    return table.assign(p_holm=adjusted, significant=adjusted < LEVEL)
