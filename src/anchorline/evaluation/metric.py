"""One number of the results, and the conventions that its name stands for."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
