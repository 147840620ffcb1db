"""One number of the results, where it comes from, and the axes: the numbers that methods are compared by."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from anchorline.version import __version__, commit

ID_POSITIVE, OUTLIER_POSITIVE = "id-positive", "outlier-positive"
UNTOUCHED = "zero-shot"  # the method that leaves the encoder as it is: changes are measured against it
MSP_TEMPERATURE = 1.0  # on the logits, which for zero-shot are cosines times the logit scale
MCM_TEMPERATURE = 1.0  # on the cosines themselves


@dataclass(frozen=True)
class Metric:
    """One number, in percent unless `unit` says otherwise; `low`, `high`: its 95 % interval."""

    set: str
    role: str  # "test" | "shift" | "subset" | "corruption" | "outlier" | "detection" | "summary"
    metric: str
    value: float
    unit: str = "%"
    low: float = math.nan
    high: float = math.nan
    n: int | None = None  # images of the set
    score: str = ""
    temperature: float = math.nan
    convention: str = ""


@dataclass(frozen=True)
class Axis:
    """One of the numbers that methods are compared by, in percent: a row of role "summary", and its names.

    Attributes:
        name: metric of the row.
        role, metric: the sets that it is the mean of, and what is measured on each of them.
        measure: what pages call that metric.
        short: the name in a figure or the head of a column; `mean`: the name that says it is a mean.
        where: where `measure` was taken, as a sentence says it.
        change: metric of the row with its change against the untouched encoder; "" if there is none.
        gained: where points are gained or lost, as a sentence says it.
        noun: what one of the sets is called.
    """

    name: str
    role: str
    metric: str
    measure: str
    short: str
    mean: str
    where: str
    change: str = ""
    gained: str = ""
    noun: str = ""

    @property
    def quantity(self) -> str:
        """ "accuracy" on test, "mean accuracy" over several sets."""
        return self.measure if self.role == "test" else f"mean {self.measure}"

    @property
    def panel(self) -> str:
        """Title of a panel of a figure: "shifts: mean accuracy (%)"."""
        return f"{self.short}: {self.quantity} (%)"

    @property
    def phrase(self) -> str:
        """For a sentence: "mean accuracy under shift"."""
        return f"{self.quantity} {self.where}"


IN_DISTRIBUTION = Axis(
    "id_accuracy", "test", "accuracy", "accuracy",
    short="in distribution", mean="in distribution", where="in distribution",
    change="delta_id", gained="in distribution",
)  # fmt: skip
SHIFTS = Axis(
    "shift_accuracy", "shift", "accuracy", "accuracy",
    short="shifts", mean="mean of shifts", where="under shift",
    change="delta_shift", gained="under shift", noun="shift",
)  # fmt: skip
OUTLIERS = Axis(
    "auroc", "outlier", "auroc", "AUROC",
    short="outliers", mean="mean AUROC", where="on outliers",
    change="delta_auroc", gained="in mean AUROC", noun="outlier set",
)  # fmt: skip
CLASSIFICATION_AXES = (IN_DISTRIBUTION, SHIFTS, OUTLIERS)
AXES = tuple(axis.name for axis in CLASSIFICATION_AXES)
# No axis, since it is measured on request only.
CORRUPTED = Axis(
    "corruption_accuracy", "corruption", "accuracy", "accuracy",
    short="corruptions", mean="mean of corruptions", where="under corruption",
)  # fmt: skip

SEGMENTATION_AXES = (
    Axis("clean", "test", "miou", "mIoU", short="test", mean="test", where="on test"),
    Axis(
        "shift_mean", "shift", "miou", "mIoU",
        short="shifts", mean="mean of shifts", where="under shift",
    ),
    Axis(
        "corruption_mean", "corruption", "miou", "mIoU",
        short="corruptions", mean="mean of corruptions", where="under corruption",
    ),
)  # fmt: skip


def capitalized(text: str) -> str:
    """A phrase at the start of a sentence; mIoU stays as it is."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


@dataclass(frozen=True)
class Provenance:
    """What a number was measured on and with; `config_hash` is that of what was asked for."""

    suite: str
    suite_hash: str
    encoder: str
    encoder_hash: str
    method: str
    seed: int
    config_hash: str

    def rows(self, metrics: Iterable[Metric], **place: object) -> list[dict[str, Any]]:
        """A row a number, as in results.csv; `place` goes before it, such as after which task."""
        before = asdict(self)
        after = {
            "commit": commit(),
            "config_hash": before.pop("config_hash"),
            "version": __version__,
        }
        return [{**before, **place, **asdict(metric), **after} for metric in metrics]


def table_of(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table; the number of images stays whole where some rows have none."""
    return pd.DataFrame(list(rows)).astype({"n": "Int64"})
