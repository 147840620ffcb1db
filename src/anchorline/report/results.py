"""The results table, averaged over seeds and looked up by name."""

import math
from dataclasses import dataclass

import pandas as pd

UNTOUCHED = "zero-shot"  # the method that leaves the encoder as it is
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
        self.numbers: dict[tuple[str, ...], Number] = {}
        for key, group in table.groupby(KEY, sort=False):
            single = len(group) == 1
            self.numbers[key] = Number(
                mean=group["value"].mean(),
                low=group["low"].iloc[0] if single else math.nan,
                high=group["high"].iloc[0] if single else math.nan,
                deviation=math.nan if single else group["value"].std(ddof=1),
                seeds=len(group),
            )
        self.methods: list[str] = list(dict.fromkeys(text["method"]))
        self.seeds: int = int(table["seed"].nunique())
        self.sizes: dict[tuple[str, str], int] = {
            (role, name): int(n)
            for (role, name), n in table.dropna(subset=["n"]).groupby(["role", "set"])["n"].max().items()
        }
        self.shifts = self._sets(text, "shift")
        self.outliers = self._sets(text, "outlier")

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

    def in_distribution(self, method: str) -> Number:
        """Test accuracy in percent, with its interval."""
        found = [n for key, n in self.numbers.items() if key[:3] == (method, "test", "accuracy")]
        return found[0] if found else self.summary(method, "id_accuracy")

    def mean_shift(self, method: str) -> Number:
        """Mean accuracy over the shifts in percent.

        With one seed, its 95 % interval comes from those of the shifts, taken as independent:
        the half-width is the root of the summed squares of theirs, divided by their number.
        """
        mean = self.summary(method, "shift_accuracy")
        if mean.seeds != 1 or not math.isnan(mean.low):
            return mean
        each = [self.get(method, "shift", "accuracy", name) for name in self.shifts]
        half = math.hypot(*((n.high - n.low) / 2 for n in each)) / max(len(each), 1)
        return Number(mean.mean, mean.mean - half, mean.mean + half, seeds=1)
