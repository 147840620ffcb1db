"""How well scores tell in-distribution images from outliers. Higher scores: more in-distribution.

All measures are shares in [0, 1] and see the order of the scores alone. They are computed together from
one sort; resamples of the bootstrap are weights on the sorted scores, so that they need no sort at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from anchorline.metrics.bootstrap import Counts, Floats, Resamples, interval

Scores = Tensor | NDArray[np.floating]
_NOTHING = 1e-300  # below any count, and not 0
_CELLS = 2**15  # weights in work at once: the arrays of a block stay in a core's cache


@dataclass(frozen=True)
class Detection:
    """The measures of one pair of score arrays: inside [N], outside [M].

    Attributes:
        auroc: area under the ROC curve, the chance that an in-distribution image scores higher than an
            outlier, ties counting half.
        aupr_in: area under the precision-recall curve, in-distribution positive; by the trapezoidal rule
            from (recall 0, precision 1), as OpenOOD and pytorch-ood do. Not average precision, which
            sums rectangles and is a little lower. It depends on the shares of N and M.
        aupr_out: the same with outliers positive.
        fpr95: false positive rate at 95 % true positives, in-distribution positive: the share of outliers
            at or above the highest score that keeps at least 95 % of the in-distribution images
            (the convention of the MCM and Reprogrammer papers).
        fpr95_outlier_positive: the same with outliers positive (OpenOOD, pytorch-ood): the share of
            in-distribution images at or below the lowest score that catches 95 % of the outliers.
        detection_error: the least error of any one threshold when an image is an outlier half of the time,
            min over t of [P(inside < t) + P(outside >= t)] / 2: one minus the "detection accuracy" of
            Lee et al. 2018 (arXiv 1807.03888), and what ODIN's released code reports. ODIN's paper (Liang et
            al. 2018, arXiv 1706.02690) takes it at 95 % true positives, where it is .025 + FPR95 / 2 and
            never less than this. OpenOOD has no such figure.
    """

    auroc: float
    aupr_in: float
    aupr_out: float
    fpr95: float
    fpr95_outlier_positive: float
    detection_error: float


class Estimate(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


NAMES = tuple(field.name for field in fields(Detection))


def detect(inside: Scores, outside: Scores) -> Detection:
    """All measures of scores [N] of in-distribution images and [M] of outliers, from one sort.

    Raises `ValueError` if a side is empty or a score is NaN; infinite scores have their place in the order.
    """
    order = _Order(inside, outside)
    one = order.measure(np.ones((1, order.n), np.uint8), np.ones((1, order.m), np.uint8))
    return Detection(*one[:, 0].tolist())


def resampled(
    inside: Scores, outside: Scores, resamples: Resamples, names: tuple[str, str] = ("inside", "outside")
) -> dict[str, Floats]:
    """Every measure on every resample, [repeats], by its name. Inside and outside are resampled separately.

    `names`: of the two sets, by which their resamples are known. Means over outlier sets, and differences
    between detectors or methods, are taken resample by resample; their interval is `interval` of that.
    """
    order = _Order(inside, outside)
    drawn = resamples.counts(names[0], order.n), resamples.counts(names[1], order.m)
    return dict(zip(NAMES, np.concatenate(list(order.blocks(*drawn)), axis=1), strict=True))


def with_intervals(
    inside: Scores,
    outside: Scores,
    resamples: Resamples | None = None,
    names: tuple[str, str] = ("inside", "outside"),
) -> dict[str, Estimate]:
    """All measures with 95 % percentile bootstrap intervals; by default of 400 resamples.

    Give the same `resamples` to all detectors and methods that score the same images, so that their
    differences are paired. Arguments and errors as of `detect` and `resampled`.
    """
    values = resampled(inside, outside, resamples or Resamples(), names)
    found = astuple(detect(inside, outside))
    return {name: Estimate(value, *interval(values[name])) for name, value in zip(NAMES, found, strict=True)}


def auroc(inside: Scores, outside: Scores) -> float:
    """`Detection.auroc` alone."""
    return detect(inside, outside).auroc


def as_array(values: Scores) -> Floats:
    """A 1-D float64 array on the CPU; every floating dtype keeps its order."""
    if isinstance(values, Tensor):
        values = values.detach().double().cpu().numpy()
    return np.asarray(values, np.float64)


def ninety_five_percent(n: int) -> int:
    """The least whole number that is 95 % of n; in integers, for .95 has no exact float."""
    return -(-95 * n // 100)


class _Order:
    """The scores of both sides sorted downwards once; equal scores are one threshold."""

    def __init__(self, inside: Scores, outside: Scores) -> None:
        a, b = as_array(inside), as_array(outside)
        self.n, self.m = len(a), len(b)
        if not self.n or not self.m:
            raise ValueError(f"{self.n} in-distribution scores and {self.m} of outliers: both need some")
        scores = np.concatenate([a, b])
        if np.isnan(scores).any():
            raise ValueError("a score is NaN, which has no place in the order")
        self.order = np.argsort(-scores, kind="stable")
        self.inside = (self.order < self.n).astype(np.uint8)
        falling = scores[self.order]
        last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
        self.last = None if len(last) == len(scores) else last  # of each threshold; None: all scores differ

    def blocks(self, inside: Counts, outside: Counts) -> Iterator[Floats]:
        """`measure` of blocks of resamples that fit the cache."""
        rows = max(1, _CELLS // (self.n + self.m))
        for start in range(0, len(inside), rows):
            yield self.measure(inside[start : start + rows], outside[start : start + rows])

    def measure(self, inside: Counts, outside: Counts) -> Floats:
        """The measures [6, R] under counts [R, N] and [R, M] of the images.

        A threshold that no drawn image has adds nothing to an area and changes no count.
        """
        n, m = self.n, self.m
        weights = np.take(np.concatenate([inside, outside], axis=1), self.order, axis=1)
        inner = weights * self.inside
        # Images at or above each threshold, with "above all of them" in column 0.
        kept, passed = self._falling(inner), self._falling(weights - inner)
        every = kept + passed

        # The impure part of what is claimed: outliers at or above, in-distribution images at or below.
        # Where nothing is claimed precision is 1, and this 0.
        impure_in = passed / np.maximum(every, _NOTHING)
        impure_out = np.subtract(n, kept) / np.maximum(n + m - every, _NOTHING)
        new_kept, new_passed = np.diff(kept), np.diff(passed)
        area = _dot(new_passed, kept[:, :-1]) + _dot(new_passed, kept[:, 1:])
        loss_in = _dot(new_kept, impure_in[:, :-1]) + _dot(new_kept, impure_in[:, 1:])
        loss_out = _dot(new_passed, impure_out[:, :-1]) + _dot(new_passed, impure_out[:, 1:])
        gain = (kept * (1 / n) - passed * (1 / m)).max(1)  # true less false positive rate

        row = np.arange(len(weights))
        first = np.count_nonzero(kept < ninety_five_percent(n), axis=1)
        final = np.count_nonzero(passed <= m - ninety_five_percent(m), axis=1) - 1
        return np.stack([
            area / (2 * n * m), 1 - loss_in / (2 * n), 1 - loss_out / (2 * m),
            passed[row, first] / m, (n - kept[row, final]) / n, (1 - gain) / 2,
        ])  # fmt: skip

    def _falling(self, counts: Counts) -> Floats:
        """Sums [R, T + 1] of counts [R, N + M] down to each threshold, from 0."""
        ends = np.zeros((len(counts), 1 + (counts.shape[1] if self.last is None else len(self.last))))
        if self.last is None:
            np.cumsum(counts, axis=1, out=ends[:, 1:])
        else:
            np.take(np.cumsum(counts, axis=1, dtype=np.float64), self.last, axis=1, out=ends[:, 1:])
        return ends


def _dot(a: Floats, b: Floats) -> Floats:
    """Row by row."""
    product: Floats = np.einsum("rt,rt->r", a, b)
    return product
