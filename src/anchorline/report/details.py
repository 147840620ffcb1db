"""What the report shows of one method beyond its rows in the results table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
class Changed:
    """One image on which adapting turned a right answer wrong, or a wrong one right."""

    png_or_jpeg: bytes  # thumbnail, encoded
    set: str
    path: str
    truth: str
    before: str  # the untouched encoder's answer
    after: str  # the adapted encoder's answer


@dataclass(frozen=True)
class MethodDetails:
    """One method's distributions, pictures and accuracy by class: of its first seed if it has several."""

    method: str
    about: str  # one line
    histograms: Sequence[Histogram]
    mistakes: Sequence[Mistake]  # already chosen, most confident first
    per_class: pd.DataFrame  # index: class; columns: set names; percent, NaN where absent
    broken: Sequence[Changed] = ()  # already chosen, in the order to show: right before, wrong after
    mended: Sequence[Changed] = ()  # likewise: wrong before, right after
    # Index: set; columns "broken", "mended": of all images of the set, how many. Empty where nothing changed
    # because nothing was adapted.
    changes: pd.DataFrame = field(default_factory=pd.DataFrame)
    # PNGs of the same image as the encoder sees it: without the learned frame, and with it.
    frames: Sequence[tuple[bytes, bytes]] = ()

    # By set, test first. Columns confidence, accuracy (of a bin of confidence: means in [0, 1]; a bin without
    # images is left out), share (of the set's images, in [0, 1]), scaled (bool: after temperature scaling).
    reliability: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    # By set, test first. Columns coverage (share of images answered, the most confident first, rising) and
    # risk (share wrong among them), both in [0, 1]; a few hundred points draw as well as all.
    risk_coverage: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def shows_changes(self) -> bool:
        return bool(self.broken or self.mended) or not self.changes.empty
