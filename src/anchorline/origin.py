"""Where a number comes from: what a row of results.csv says beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from anchorline.evaluation.metric import Metric
from anchorline.version import __version__, commit


@dataclass(frozen=True)
class Origin:
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
