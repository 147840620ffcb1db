"""The three axes of many methods and seeds at once, as functions of how often each image counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anchorline.metrics.bootstrap import Counts, Floats

BySeed = Sequence[ArrayLike]  # for each method an array [seeds, images]; methods may differ in seeds
Draw = Callable[[str, int], Counts]  # how often each image of a set counts [R, n], by its name and n


class Axes:
    """The axes of all K = sum(seeds) trainings as functions of how often each image counts."""

    def __init__(
        self,
        seeds: Sequence[int],
        test: BySeed,
        shifts: Mapping[str, BySeed],
        inside: BySeed,
        outside: Mapping[str, BySeed],
    ) -> None:
        self.test = stack(test, seeds, "test").astype(np.float32)
        self.n = self.test.shape[1]
        self.shifts = {name: stack(one, seeds, name).astype(np.float32) for name, one in shifts.items()}
        others = {name: stack(one, seeds, name) for name, one in outside.items()}
        self.sizes = {name: one.shape[1] for name, one in others.items()}
        if others:
            known, strangers = stack(inside, seeds, "scores"), np.concatenate(list(others.values()), axis=1)
            self.ranks = [Ranks(a, b) for a, b in zip(known, strangers, strict=True)]

    def values(self, draw: Draw) -> dict[str, Floats]:
        """Shares [R, K] of every axis that has sets."""
        counts = draw("test", self.n)
        found = {"id_accuracy": accuracy(counts, self.test)}
        if self.shifts:
            shifted = [
                accuracy(draw(f"shift {name}", right.shape[1]), right) for name, right in self.shifts.items()
            ]
            found["shift_accuracy"] = np.mean(shifted, axis=0)
        if self.sizes:
            drawn = [draw(f"outlier {name}", m) for name, m in self.sizes.items()]
            found["auroc"] = self._aurocs(counts, np.concatenate(drawn, axis=1))
        return found

    def _aurocs(self, inside: Counts, outside: Counts) -> Floats:
        """Mean AUROC over the outlier sets, which stand side by side."""
        weights = outside.astype(np.float32)
        sizes = np.array(list(self.sizes.values()))
        firsts = sizes.cumsum() - sizes
        wins = (np.add.reduceat(one.wins(inside) * weights, firsts, 1, np.float64) for one in self.ranks)
        return np.stack([(won / (self.n * sizes)).mean(1) for won in wins], axis=1)


class Ranks:
    """Where the outlier scores [M] stand among the in-distribution scores [N], both sorted once."""

    def __init__(self, inside: Floats, outside: Floats) -> None:
        self.order = (-inside).argsort(kind="stable")
        falling = -inside[self.order]
        self.above = falling.searchsorted(-outside, side="left")
        level = falling.searchsorted(-outside, side="right")
        self.level = None if (level == self.above).all() else level

    def wins(self, counts: Counts) -> NDArray[np.float32]:
        """Images [R, M], of counts [R, N], that score above each outlier, those level counting half."""
        reached = np.zeros((len(counts), counts.shape[1] + 1), np.float32)  # exact to 16 million images
        np.cumsum(np.take(counts, self.order, axis=1), axis=1, out=reached[:, 1:])
        won: NDArray[np.float32] = np.take(reached, self.above, axis=1)
        if self.level is not None:
            won = (won + np.take(reached, self.level, axis=1)) / 2
        return won


def accuracy(counts: Counts, right: NDArray[np.float32]) -> Floats:
    """Shares [R, K] of right answers, of counts [R, N] and right [K, N]; float32 is exact to 16 million."""
    shares: Floats = (counts.astype(np.float32) @ right.T).astype(np.float64) / right.shape[1]
    return shares


def stack(by_method: BySeed, seeds: Sequence[int], what: str) -> Floats:
    """[K, images], all seeds of the first method first."""
    arrays = [np.asarray(one, np.float64) for one in by_method]
    if [len(one) for one in arrays] != list(seeds):
        raise ValueError(f"{what} has {[len(one) for one in arrays]} seeds by method, and test {list(seeds)}")
    return np.concatenate(arrays)
