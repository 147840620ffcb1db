"""What the report shows of one method beyond its rows in the results table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Histogram:
    """The confidences of one set."""

    set: str
    role: str  # "test" | "outlier"
    scores: np.ndarray  # float [N]: largest softmax probability of each image, in [0, 1]


@dataclass(frozen=True)
class Mistake:
    """One wrongly classified image."""

    png_or_jpeg: bytes  # thumbnail, encoded
    set: str
    path: str
    truth: str
    predicted: str
    confidence: float  # largest softmax probability, in [0, 1]


@dataclass(frozen=True)
class MethodDetails:
    """One method's distributions, mistakes and accuracy by class."""

    method: str
    about: str  # one line
    histograms: Sequence[Histogram]
    mistakes: Sequence[Mistake]  # already chosen, most confident first
    per_class: pd.DataFrame  # index: class; columns: set names; percent, NaN where absent
