"""Bootstrap resamples as counts: how often each image was drawn."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.uint8]
Floats = NDArray[np.float64]


class Streams:
    """Random draws, one stream for each name: another set or method leaves the draws of the rest alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._generators: dict[str, np.random.Generator] = {}

    def of(self, name: str) -> np.random.Generator:
        if name not in self._generators:
            self._generators[name] = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        return self._generators[name]

    def draw(self, repeats: int, name: str, n: int) -> Counts:
        """The next counts [repeats, n]: how often each of n images is drawn when n are, with replacement."""
        generator = self.of(name)
        counts = np.empty((repeats, n), np.uint8)  # a count above 255 has a chance below 1e-500
        block = max(1, 2**18 // n)
        for start in range(0, repeats, block):
            rows = min(block, repeats - start)
            drawn = generator.integers(0, n, (rows, n), dtype=np.int32)
            drawn += (np.arange(rows, dtype=np.int32) * n)[:, None]
            counts[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        return counts


@dataclass(frozen=True)
class Resamples:
    """Resamples of sets of images, by the name of the set: drawn once, the same for all who ask.

    Whatever is measured on the same resamples is paired: a difference of two methods or detectors
    has the interval of the differences. A set's draws depend on seed, name and size alone.

    Attributes:
        repeats: number of resamples.
        seed: of the draws.
    """

    repeats: int = 400
    seed: int = 0
    _drawn: dict[tuple[str, int], Counts] = field(default_factory=dict, repr=False, compare=False)

    def counts(self, name: str, n: int) -> Counts:
        """Counts [repeats, n] of the n images of the set `name`; each row sums to n."""
        if (name, n) not in self._drawn:
            self._drawn[name, n] = Streams(self.seed).draw(self.repeats, name, n)
        return self._drawn[name, n]


def interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of the values [repeats] over resamples (Efron & Tibshirani 1993, chapter 13)."""
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)
