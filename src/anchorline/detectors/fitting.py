"""From a row of the table to a score: hyper-parameters chosen on val, then fitted on train."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from anchorline.detectors.base import Detector, Score, UnfitError, drawn
from anchorline.detectors.evidence import DetectorInputs, EncodeWords, FitData, competing, take
from anchorline.detectors.table import DETECTORS
from anchorline.errors import UserError, close_names
from anchorline.metrics.detection import auroc

_CHOOSING = 2000  # images of val, and synthetic outliers, that hyper-parameters are chosen on


@dataclass(frozen=True, eq=False)
class FittedDetector:
    """A fitted detector.

    Attributes:
        detector: the row of the table.
        chosen: hyper-parameters.
        known: what it was fitted on.
    """

    detector: Detector
    chosen: dict[str, Any]
    data: FitData
    _fitted: dict[tuple[int, ...], Score] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.detector.name

    def restricted_to(self, columns: Tensor) -> Score:
        """The score where only these classes compete, int64 [K]: fitted on their images alone, as if there
        were no others; hyper-parameters stay. Raises `UnfitError`."""
        key = tuple(columns.tolist())
        if key not in self._fitted:
            self._fitted[key] = self.detector.fit(self.data.restricted(columns), **self.chosen)
        return self._fitted[key]

    @torch.no_grad()
    def __call__(self, evidence: DetectorInputs) -> Tensor:
        """Float64 [N]; higher: more in-distribution."""
        columns = competing(evidence)
        return self.restricted_to(columns)(take(evidence, columns)).double()


def fit_all(data: FitData, names: Sequence[str] | None = None) -> tuple[list[FittedDetector], dict[str, str]]:
    """Detectors fitted on what is known, in the order of the table, and those left out, with a reason.

    Raises `UserError` for a name that is not in the table.
    """
    for name in names or ():
        if name not in DETECTORS:
            near = close_names(name, DETECTORS)
            raise UserError(
                f"there is no detector {name!r}; choose among {', '.join(near or sorted(DETECTORS))}"
            )
    data = replace(data, encode_words=_once(data.encode_words))
    fitted, left_out = [], {}
    for name, detector in DETECTORS.items():
        if names is None or name in names:
            try:
                fitted.append(fit(detector, data))
            except UnfitError as error:
                left_out[name] = str(error)
    return fitted, left_out


def _once(encode: EncodeWords) -> EncodeWords:
    kept: dict[tuple[str, ...], Tensor] = {}

    def encode_words(words: Sequence[str], template: str) -> Tensor:
        key = (template, *words)
        if key not in kept:
            kept[key] = encode(words, template)
        return kept[key]

    return encode_words


@torch.no_grad()
def fit(detector: Detector, data: FitData) -> FittedDetector:
    """A detector with the hyper-parameters that best tell val from the synthetic outliers, by AUROC; ties go
    to the first. Raises `UnfitError`."""
    space = detector.space(data)
    candidates = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    detectors = [FittedDetector(detector, chosen, data) for chosen in candidates]
    if len(detectors) == 1:
        detectors[0].restricted_to(torch.arange(len(data.classes)))
        return detectors[0]
    inside, outside = (_some(evidence) for evidence in (data.val, data.synthetic))
    return max(detectors, key=lambda scorer: auroc(scorer(inside), scorer(outside)))


def _some(evidence: DetectorInputs) -> DetectorInputs:
    if len(evidence.logits) <= _CHOOSING:
        return evidence
    rows = drawn(len(evidence.logits), _CHOOSING)
    return take(evidence, torch.arange(evidence.logits.shape[1]), rows)


@torch.no_grad()
def scores(
    detectors: Sequence[FittedDetector], evidence: DetectorInputs, chunk: int = 4096
) -> dict[str, Tensor]:
    """Float64 [N] of each detector, by name; `chunk` images at a time, so that memory stays as N grows.

    A detector that cannot be fitted on the classes of this set alone has no entry.
    """
    columns = competing(evidence)
    fitted: dict[str, Score] = {}
    for scorer in detectors:
        with suppress(UnfitError):
            fitted[scorer.name] = scorer.restricted_to(columns)
    found: dict[str, list[Tensor]] = {name: [] for name in fitted}
    for start in range(0, len(evidence.logits), chunk):
        part = take(evidence, columns, slice(start, start + chunk))
        part = replace(part, logits=part.logits.double())  # once for all
        for name, score in fitted.items():
            found[name].append(score(part).double())
    none = torch.empty(0, dtype=torch.float64)
    return {name: torch.cat([none, *parts]) for name, parts in found.items()}
