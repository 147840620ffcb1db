"""One number of the results, the conventions that its name stands for, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from anchorline.version import __version__, commit

ID_POSITIVE, OUTLIER_POSITIVE = "id-positive", "outlier-positive"
AXES = ("id_accuracy", "shift_accuracy", "auroc")
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
