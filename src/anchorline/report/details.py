"""What the report shows of one method beyond its rows in the results table."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

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
    negative_flips: Sequence[Changed] = ()  # already chosen, in the order to show: right before, wrong after
    positive_flips: Sequence[Changed] = ()  # likewise: wrong before, right after
    # Index: set; columns "negative_flips", "positive_flips": of all images of the set, how many. Empty where
    # nothing changed because nothing was adapted.
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
        return bool(self.negative_flips or self.positive_flips) or not self.changes.empty


def to_plain(value: Any) -> Any:
    """Details as JSON values, which `from_plain` turns back; pictures as base64."""
    if isinstance(value, bytes):
        return {"bytes": b64encode(value).decode()}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": str(value.dtype)}
    if isinstance(value, pd.DataFrame):
        columns = {str(name): to_plain(value[name].to_numpy()) for name in value.columns}
        return {"table": columns, "index": value.index.tolist()}
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__, "fields": parts}
    if isinstance(value, Mapping):
        return {"mapping": [[key, to_plain(item)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def from_plain(plain: Any) -> Any:
    """The inverse of `to_plain`; tuples come back as lists."""
    if isinstance(plain, list):
        return [from_plain(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if "bytes" in plain:
        return b64decode(plain["bytes"])
    if "array" in plain:
        return np.array(plain["array"], dtype=plain["dtype"])
    if "table" in plain:
        columns = {name: from_plain(values) for name, values in plain["table"].items()}
        return pd.DataFrame(columns, index=plain["index"])
    if "mapping" in plain:
        return {key: from_plain(item) for key, item in plain["mapping"]}
    return _KINDS[plain["kind"]](**{name: from_plain(item) for name, item in plain["fields"].items()})


_KINDS = {kind.__name__: kind for kind in (Histogram, Mistake, Changed, MethodDetails)}
