"""The results table, averaged over seeds and looked up by name."""

import math
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from anchorline.metric import IN_DISTRIBUTION, SHIFTS, Axis

KEY = ["method", "role", "metric", "set", "score", "convention"]


@dataclass(frozen=True)
class Number:
    """A mean over seeds, with what is known of its uncertainty; NaN where unknown.

    `low` and `high` bound the 95 % interval of a single seed; `deviation` is the standard
    deviation (n - 1) between seeds where there are several.
    """

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    deviation: float = math.nan
    seeds: int = 0

    @property
    def error(self) -> tuple[float, float]:
        """Distances (below, above) for an error bar; NaN where unknown."""
        if self.seeds > 1:
            return self.deviation, self.deviation
        return self.mean - self.low, self.high - self.mean


class Results:
    """Numbers by (method, role, metric, set, score, convention), in order of appearance."""

    def __init__(self, rows: pd.DataFrame) -> None:
        for column in ("suite_hash", "encoder_hash"):
            if rows[column].nunique() > 1:
                raise ValueError(f"a report shows one {column}, but rows hold several")
        text = rows[KEY].astype(object).fillna("").astype(str)
        # A summary names the mean of several sets; AUROC is the same under both conventions.
        text.loc[text["role"] == "summary", ["set", "score", "convention"]] = ""
        text.loc[text["metric"] != "fpr95", "convention"] = ""
        table = rows.assign(**text).astype({"value": float, "low": float, "high": float})
        # An evaluation that was repeated stands for itself once: the last one.
        table = table.drop_duplicates([*KEY, "seed"], keep="last")
        groups = table.groupby(KEY, sort=False)
        each = groups.agg(
            mean=("value", "mean"),
            low=("low", "first"),
            high=("high", "first"),
            deviation=("value", "std"),
            seeds=("value", "size"),
        )
        # The interval of one seed says nothing of the mean of several, whose deviation stands for it.
        each.loc[each["seeds"] > 1, ["low", "high"]] = math.nan
        self.numbers: dict[tuple[str, ...], Number] = {
            tuple(key): Number(*values)
            for key, *values in zip(each.index, *(each[c].tolist() for c in each), strict=True)
        }
        self.held = {key[1:] for key in self.numbers}  # all that any method has
        self._measured = {key[:2] for key in self.held}
        self.methods: list[str] = list(dict.fromkeys(text["method"]))
        self.seeds: int = int(table["seed"].nunique())
        self.sizes: dict[tuple[str, str], int] = {
            (role, name): int(n)
            for (role, name), n in table.dropna(subset=["n"]).groupby(["role", "set"])["n"].max().items()
        }
        self.test = next(iter(self._sets(text, "test")), "")
        self.sets = {role: self._sets(text, role) for role in ("shift", "outlier", "corruption")}
        self.shifts = self.sets["shift"]
        self.outliers = self.sets["outlier"]
        self.corruptions = self.sets["corruption"]  # "name/severity"
        inside = text["role"].isin(["outlier", "detection"]) & (text["score"] != "")
        self.detectors: list[str] = list(dict.fromkeys(text.loc[inside, "score"]))

    @staticmethod
    def _sets(text: pd.DataFrame, role: str) -> list[str]:
        return list(dict.fromkeys(text.loc[text["role"] == role, "set"]))

    def get(
        self,
        method: str,
        role: str,
        metric: str,
        set: str = "",
        score: str = "",
        convention: str = "",
    ) -> Number:
        return self.numbers.get((method, role, metric, set, score, convention), Number())

    def summary(self, method: str, metric: str) -> Number:
        return self.get(method, "summary", metric)

    def of_axis(self, method: str, axis: Axis) -> Number:
        """The number of an axis in percent, with its 95 % interval where one is known.

        On test, that of the set itself. For the mean over several sets, measured with one seed, it comes from
        their intervals, taken as independent: the half-width is the root of the summed squares of theirs,
        divided by their number.
        """
        mean = self.summary(method, axis.name)
        if axis.role == "test":
            found = self.get(method, "test", axis.metric, self.test)
            return mean if math.isnan(found.mean) else found
        if mean.seeds != 1 or not math.isnan(mean.low):
            return mean
        each = [self.get(method, axis.role, axis.metric, name) for name in self.sets[axis.role]]
        if len(each) == 1:
            return each[0]
        half = math.hypot(*((n.high - n.low) / 2 for n in each)) / max(len(each), 1)
        return Number(mean.mean, mean.mean - half, mean.mean + half, seeds=1)

    def in_distribution(self, method: str) -> Number:
        """Test accuracy in percent, with its interval."""
        return self.of_axis(method, IN_DISTRIBUTION)

    def mean_shift(self, method: str) -> Number:
        """Mean accuracy over the shifts in percent, with its interval."""
        return self.of_axis(method, SHIFTS)

    def detection(
        self, method: str, metric: str, detector: str, group: str = "all", convention: str = ""
    ) -> Number:
        """A detector's mean over a group of outlier sets ("all", "near" or "far").

        Where the table lacks the mean over all sets, it is taken here, without an interval.
        """
        found = self.get(method, "detection", metric, group, detector, convention)
        if group != "all" or not math.isnan(found.mean):
            return found
        each = [self.get(method, "outlier", metric, name, detector, convention) for name in self.outliers]
        return Number(fmean(n.mean for n in each)) if each else found

    def outlier_kept(self, method: str, name: str) -> Number:
        """Share of an outlier set that the open-set threshold keeps, by whatever detector decides."""
        scores = [key[3] for key in self.held if key[:3] == ("outlier", "coverage", name)]
        return self.get(method, "outlier", "coverage", name, scores[0]) if scores else Number()

    def has(self, role: str, metric: str) -> bool:
        """Whether any method has it."""
        return (role, metric) in self._measured
