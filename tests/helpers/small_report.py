"""A small table of results and what a report shows beside it, known to the last digit."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from anchorline.report import Changed, Histogram, MethodDetails, Mistake

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (64).to_bytes(4) * 2  # as far as width and height
AXES = {"zero-shot": (70.0, 60.0, 90.0), "fine-tune": (92.0, 52.0, 84.0), "ftp": (90.0, 61.5, 90.5)}


def table(
    axes: Mapping[str, tuple[float, float, float]] = AXES,
    *,
    shifts: Sequence[str] = ("sketch", "emoji"),
    outliers: Sequence[str] = ("flags",),
    seeds: int = 1,
) -> pd.DataFrame:
    """A results table whose seeds lie one point apart; deltas are taken against zero-shot."""
    rows: list[dict[str, Any]] = []
    base = axes.get("zero-shot", (math.nan,) * 3)
    for method, values in axes.items():
        for seed in range(seeds):
            identity = {"method": method, "seed": seed, "suite_hash": "s", "encoder_hash": "e"}

            def add(role: str, metric: str, value: float, _: dict[str, Any] = identity, **more: Any):
                rows.append({"set": "", "role": role, "metric": metric, "value": value, **_, **more})

            accuracy, shift, auroc = (v + seed for v in values)
            interval = {"low": accuracy - 1, "high": accuracy + 1, "n": 2000}
            add("test", "accuracy", accuracy, set="test", **interval)
            summary = {"id_accuracy": accuracy, "delta_id": values[0] - base[0]}
            if shifts:
                summary |= {"shift_accuracy": shift, "delta_shift": values[1] - base[1]}
            if outliers:
                summary |= {"auroc": auroc, "delta_auroc": values[2] - base[2]}
            kept = [accuracy, *([shift] if shifts else []), *([auroc] if outliers else [])]
            summary |= {"mean_of_axes": sum(kept) / len(kept), "trainable_parameters": 86_192_640}
            summary |= {"seconds": 412.0, "peak_memory": 3120.0}
            for metric, value in summary.items():
                add("summary", metric, value)
            for name in shifts:
                interval = {"low": shift - 3, "high": shift + 3, "n": 600}
                add("shift", "accuracy", shift, set=name, **interval)
            for name in outliers:
                for score in ("msp", "mcm"):
                    add("outlier", "auroc", auroc, set=name, score=score)
                    for convention, rate in (("id-positive", 31.4), ("outlier-positive", 27.1)):
                        more = {"score": score, "convention": convention}
                        add("outlier", "fpr95", rate, set=name, **more)
    columns = ["set", "score", "convention", "low", "high", "n"]
    return pd.DataFrame(rows).reindex(columns=[*dict.fromkeys([*rows[0], *columns])])


def detail(
    method: str = "ftp",
    classes: Sequence[str] = ("cat", "dog"),
    outliers: Sequence[str] = ("flags",),
    path: str = "cat/1.png",
) -> MethodDetails:
    scores = np.linspace(0, 1, 50)
    histograms = [Histogram("test", "test", scores)]
    histograms += [Histogram(name, "outlier", scores) for name in outliers]
    mistake = Mistake(PNG, "sketch", path, classes[0], classes[-1], 0.987)
    accuracy = pd.DataFrame(81.25, index=list(classes), columns=["test", "sketch"])
    accuracy.iloc[0, 1] = np.nan
    changes = pd.DataFrame(
        {"negative_flips": [1200, 3], "positive_flips": [200, 13]}, index=["test", *outliers]
    )
    return MethodDetails(
        method,
        "one line about it",
        histograms,
        [mistake],
        accuracy,
        negative_flips=[
            Changed(PNG, outliers[0], f"{classes[0]}/2.png", classes[0], classes[0], classes[-1])
        ],
        positive_flips=[
            Changed(PNG, outliers[0], f"{classes[0]}/3.png", classes[0], classes[-1], classes[0])
        ],
        changes=changes,
        frames=[(PNG, PNG)],
    )


def curve(method: str = "ftp", seeds: int = 1, **axes: float) -> pd.DataFrame:
    """A blend whose axes fall by a point with each tenth; seed s uses α = s / 10 + 0.05, off the grid."""
    rows = []
    for seed in range(seeds):
        used = seed / 10 + 0.05
        for alpha in sorted({i / 10 for i in range(11)} | {used}):
            row = {"method": method, "seed": seed, "alpha": alpha, "chosen": alpha == used}
            for axis in ("id_accuracy", "shift_accuracy", "auroc"):
                row[axis] = axes.get(axis, 80.0) - 10 * alpha + seed
            rows.append(row)
    return pd.DataFrame(rows)


LAYERS = ("conv.weight", "bn.weight", "bn.bias", "proj.weight")


def movement(
    method: str = "ftp",
    layers: Sequence[str] = LAYERS,
    *,
    learned: bool = True,
    seeds: int = 1,
    epochs: int = 2,
) -> pd.DataFrame:
    """Layer i moves by 0.1^i an epoch, and by a seventh more with each seed; its radius is twice that."""
    rows = []
    for seed, epoch, (i, name) in product(range(seeds), range(1, epochs + 1), enumerate(layers)):
        far = epoch * 0.1**i * (1 + seed / 7)
        row = {"method": method, "seed": seed, "epoch": epoch, "parameter": name, "deviation": far}
        rows.append(row | {"radius": 2 * far if learned else math.nan})
    return pd.DataFrame(rows)


DIFFERENCES = pd.DataFrame(
    [
        ("zero-shot", "ftp", "id_accuracy", -20.0, True),
        ("zero-shot", "fine-tune", "id_accuracy", -22.0, True),
        ("fine-tune", "zero-shot", "shift_accuracy", -8.0, True),
        ("ftp", "zero-shot", "shift_accuracy", 1.5, False),
        ("ftp", "fine-tune", "shift_accuracy", 9.5, True),
    ],
    columns=["a", "b", "axis", "difference", "significant"],
).assign(low=lambda t: t.difference - 1, high=lambda t: t.difference + 1, p=0.01, p_holm=0.03)
