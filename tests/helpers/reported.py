"""A comparison as the evaluation would find it, made up: every role, metric and detector of the report."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from anchorline.report import Changed, Histogram, MethodDetails, Mistake

METHODS = (
    "zero-shot",
    "zero-shot-single",
    "linear-probe",
    "fine-tune",
    "lp-ft",
    "wise-ft",
    "flyp",
    "bitfit",
    "lora",
    "visual-prompt",
    "coop",
    "reprogrammer",
    "residual-reprogrammer",
    "l2-sp",
    "mars-sp",
    "tpgm",
    "ftp",
    "spd",
)
SHIFTS = ("filled", "duotone", "colour", "emoji", "sketch", "photo")
OUTLIERS = ("brand-logos", "country-flags", "letters", "arrows", "real-objects")
NEAR = OUTLIERS[:2]
DETECTORS = (
    "msp",
    "max-logit",
    "energy",
    "entropy",
    "gen",
    "temperature",
    "knn",
    "mahalanobis",
    "relative-mahalanobis",
    "vim",
    "react",
    "ash",
    "she",
    "kl-matching",
    "nnguide",
    "fdbd",
    "mcm",
    "gl-mcm",
    "neglabel",
)
CORRUPTIONS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
AXES = ("id_accuracy", "shift_accuracy", "auroc")


@dataclass
class Suite:
    """What to make up."""

    methods: Sequence[str] = METHODS
    seeds: int = 3
    shifts: Sequence[str] = SHIFTS
    outliers: Sequence[str] = OUTLIERS
    detectors: Sequence[str] = DETECTORS
    corruptions: Sequence[str] = CORRUPTIONS
    identity: dict[str, Any] = field(default_factory=dict)

    def rows(self) -> pd.DataFrame:
        """As in results.jsonl; each method is a little better or worse than the one before."""
        rng = np.random.default_rng(0)
        found: list[dict[str, Any]] = []
        base: dict[str, float] = {}
        for number, method in enumerate(self.methods):
            skill = 0.0 if number == 0 else float(rng.normal(0.5, 1.6))
            if method == "reprogrammer":
                skill = -30.0
            trained = number > 0
            for seed in range(self.seeds if trained else 1):
                same = {
                    "method": method,
                    "seed": seed,
                    "config_hash": f"c{number}",
                    "version": "0.1.0",
                    "commit": "c",
                }
                same |= {"suite": "made-up", "suite_hash": "s", "encoder": "tiny", "encoder_hash": "e"}
                own = _Rows(same | self.identity, rng)
                axes = self._one(own, skill + (rng.normal(0, 0.3) if trained else 0.0), number)
                base = base or axes
                for axis, delta in zip(AXES, ("delta_id", "delta_shift", "delta_auroc"), strict=True):
                    if axis in axes:
                        own.add("", "summary", delta, axes[axis] - base[axis], unit="points")
                found += own.rows
        return pd.DataFrame(found)

    def _one(self, own: _Rows, skill: float, number: int) -> dict[str, float]:
        rng = own.rng
        test = own.classified("test", "test", 82.9 + skill, 1676)
        shifts = {}
        for i, name in enumerate(self.shifts):
            shifts[name] = own.classified(name, "shift", 72 - 7 * i + 1.3 * skill + rng.normal(0, 1), 640)
            own.add(name, "shift", "relative_robustness", 1.3 * skill + rng.normal(0, 1), unit="points")
            own.add(name, "shift", "effective_robustness", 0.5 * skill + rng.normal(0, 1), unit="points")
        aurocs = {}
        for (i, name), (j, detector) in itertools.product(
            enumerate(self.outliers), enumerate(self.detectors)
        ):
            value = min(93 - 2.5 * i + 0.3 * skill - 0.7 * ((j * 5) % 11) + rng.normal(0, 0.5), 99.9)
            aurocs[name, detector] = own.detected(name, "outlier", detector, value, 900)
        for name in self.outliers:
            own.add(name, "outlier", "coverage", 41.0 + rng.normal(0, 3), n=900, score="msp")
        groups = {"near": NEAR, "far": [o for o in self.outliers if o not in NEAR], "all": self.outliers}
        for (group, sets), detector in itertools.product(groups.items(), self.detectors):
            values = [aurocs[s, detector] for s in sets if (s, detector) in aurocs]
            if values:
                own.detected(group, "detection", detector, float(np.mean(values)), None)
        for (k, name), severity in itertools.product(enumerate(self.corruptions), range(1, 6)):
            value = 82 + skill - severity * (2 + k % 5) + rng.normal(0, 0.5)
            own.add(f"{name}/{severity}", "corruption", "accuracy", max(value, 3), n=1676)
        axes = {"id_accuracy": test}
        if shifts:
            axes["shift_accuracy"] = float(np.mean([*shifts.values()]))
            own.add("", "summary", "worst_group", max(21 + skill, 0.0))
        if aurocs:
            axes["auroc"] = float(np.mean([aurocs[name, "msp"] for name in self.outliers]))
        if self.corruptions:
            every = [r["value"] for r in own.rows if r["role"] == "corruption"]
            own.add("", "summary", "corruption_accuracy", float(np.mean(every)))
        for axis, value in axes.items():
            own.add("", "summary", axis, value, score="msp" if axis == "auroc" else "")
        if len(axes) == 3:
            own.add("", "summary", "mean_of_axes", float(np.mean([*axes.values()])))
        own.add("", "summary", "trainable_parameters", 10.0 ** (number % 8), unit="parameters")
        own.add("", "summary", "seconds", 100.0 * number, unit="s")
        own.add("", "summary", "peak_memory", 1500.0 + number, unit="MiB")
        return axes

    def differences(self) -> pd.DataFrame:
        """Every pair on every axis; those of more than two points are larger than noise."""
        rows = self.rows()
        means = rows[rows.role == "summary"].groupby(["metric", "method"], sort=False)["value"].mean()
        found = []
        for axis, (a, b) in itertools.product(AXES, itertools.combinations(self.methods, 2)):
            if axis in means.index.get_level_values(0):
                gap = float(means[axis, a] - means[axis, b])
                p = 0.0005 if abs(gap) > 2 else 0.4
                row = {"a": a, "b": b, "axis": axis, "difference": gap, "low": gap - 1.5, "high": gap + 1.5}
                found.append(row | {"p": p, "p_holm": min(1.0, 3 * p), "significant": p < 0.05})
        return pd.DataFrame(found)

    def details(self, classes: Sequence[str] = tuple(f"class {i}" for i in range(40))) -> list[MethodDetails]:
        return [detail(m, classes, self.shifts, self.outliers, i) for i, m in enumerate(self.methods)]

    def curves(self) -> pd.DataFrame:
        blended = [m for m in self.methods if m in ("wise-ft", "residual-reprogrammer")]
        return pd.DataFrame(
            [
                {
                    "method": m,
                    "seed": s,
                    "alpha": a / 10,
                    "chosen": a == 4,
                    "id_accuracy": 83 + a / 5 - a * a / 40,
                    "shift_accuracy": 62 + a / 3 - a * a / 30 + s / 5,
                    "auroc": 90 + a / 10,
                }
                for m, s, a in itertools.product(blended, range(self.seeds), range(11))
            ]
        )

    def movements(self) -> pd.DataFrame:
        moved = [m for m in self.methods if m in ("fine-tune", "ftp", "tpgm", "l2-sp")]
        return pd.DataFrame(
            [
                {
                    "method": m,
                    "seed": 0,
                    "epoch": e,
                    "parameter": f"tower.blocks.{i}.weight",
                    "deviation": 0.01 * e * 1.5 ** -((i * 7) % 10),
                    "radius": 0.02 * e if m in ("ftp", "tpgm") else None,
                }
                for m, e, i in itertools.product(moved, range(1, 11), range(120))
            ],
            columns=["method", "seed", "epoch", "parameter", "deviation", "radius"],
        )


class _Rows:
    """Rows of one method and seed."""

    def __init__(self, same: dict[str, Any], rng: np.random.Generator) -> None:
        self.same, self.rng, self.rows = same, rng, []  # type: ignore[var-annotated]

    def add(self, set: str, role: str, metric: str, value: float, **more: Any) -> None:
        empty = {"unit": "%", "low": None, "high": None, "n": None, "score": "", "temperature": None}
        row = {"set": set, "role": role, "metric": metric, "value": value, **empty, "convention": ""}
        self.rows.append({**self.same, **row, **more})

    def classified(self, set: str, role: str, accuracy: float, n: int) -> float:
        accuracy = float(np.clip(accuracy, 2, 99))
        half = 196 * np.sqrt(accuracy / 100 * (1 - accuracy / 100) / n)
        self.add(set, role, "accuracy", accuracy, low=accuracy - half, high=accuracy + half, n=n)
        for metric, value in (
            ("worst_class", 0.3 * accuracy),
            ("agreement", 93.0),
            ("negative_flips", 2.4),
            ("positive_flips", 3.1),
        ):
            self.add(set, role, metric, value + self.rng.normal(0, 0.3), n=n)
        for metric, value in (("aurc", 8.0), ("coverage", 94.8), ("selective_accuracy", accuracy + 3)):
            self.add(set, role, metric, value + self.rng.normal(0, 0.3), n=n, score="msp")
        for score, factor in (("", 1.0), ("scaled", 0.4)):
            for metric, value, unit in (("ece", 9.0, "%"), ("nll", 0.8, "nats"), ("brier", 0.3, "")):
                more = {"unit": unit, "score": score, "temperature": 1.7 if score else None}
                self.add(set, role, metric, value * factor * self.rng.uniform(0.8, 1.2), n=n, **more)
        return accuracy

    def detected(self, set: str, role: str, detector: str, auroc: float, n: int | None) -> float:
        more = {"score": detector, "n": n, "temperature": 1.0}
        self.add(set, role, "auroc", auroc, low=auroc - 0.8, high=auroc + 0.8, **more)
        self.add(set, role, "aupr_in", auroc + 2, **more)
        self.add(set, role, "aupr_out", auroc - 4, **more)
        self.add(set, role, "detection_error", (100 - auroc) / 1.7, **more)
        self.add(set, role, "fpr95", 130 - auroc, convention="id-positive", **more)
        self.add(set, role, "fpr95", 128 - auroc, convention="outlier-positive", **more)
        return auroc


def thumbnail(number: int) -> bytes:
    """A PNG of its own."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 255, (5, 5, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((72, 72), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def detail(
    method: str, classes: Sequence[str], shifts: Sequence[str], outliers: Sequence[str], number: int = 0
) -> MethodDetails:
    rng = np.random.default_rng(number)
    sets = ["test", *shifts]
    adapted = method != "zero-shot"
    names = itertools.cycle(classes)
    mistakes = [
        Mistake(
            thumbnail(i + number % 3), sets[i % len(sets)], f"{c}/{i}.png", c, classes[-1], 0.999 - i / 99
        )
        for i, c in zip(range(18), names, strict=False)
    ]
    turned = [
        Changed(thumbnail(50 + i + number % 3), sets[i % len(sets)], f"{c}/{i}.png", c, c, classes[-1])
        for i, c in zip(range(12), names, strict=False)
    ]
    counts = pd.DataFrame(
        {"negative_flips": [40] * len(sets), "positive_flips": [52] * len(sets)}, index=sets
    )
    bins = np.linspace(0.08, 0.98, 10)
    frames = []
    for scaled in (False, True):
        accuracy = np.clip(bins - (0.03 if scaled else 0.12) + rng.normal(0, 0.02, 10), 0, 1)
        share = bins / bins.sum()
        frames.append(
            pd.DataFrame({"confidence": bins, "accuracy": accuracy, "share": share, "scaled": scaled})
        )
    coverage = np.linspace(0.01, 1, 100)
    return MethodDetails(
        method=method,
        about=f"what {method} does, in a line",
        histograms=[
            Histogram("test", "test", rng.beta(6, 1.5, 1676)),
            *(Histogram(name, "outlier", rng.beta(3, 2.5, 900)) for name in outliers),
        ],
        mistakes=mistakes,
        per_class=pd.DataFrame(
            rng.integers(0, 13, (len(classes), len(sets))) / 0.12, index=list(classes), columns=sets
        ),
        negative_flips=turned if adapted else [],
        positive_flips=turned[::-1] if adapted else [],
        changes=counts if adapted else pd.DataFrame(),
        frames=[(thumbnail(200), thumbnail(201))] * 4 if method.endswith("reprogrammer") else [],
        reliability={name: pd.concat(frames) for name in sets},
        risk_coverage={
            name: pd.DataFrame({"coverage": coverage, "risk": (0.1 + 0.05 * i) * coverage**2})
            for i, name in enumerate(sets)
        },
    )
