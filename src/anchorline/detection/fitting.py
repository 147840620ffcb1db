"""From a row of the table to a score: hyper-parameters chosen on val, then fitted on train."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import product
from typing import Any, Literal

import torch
from torch import Tensor

from anchorline.detection.evidence import Arrays, Evidence, Known, competing, take
from anchorline.errors import UserError
from anchorline.measures.detection import auroc

Score = Callable[[Arrays], Tensor]
Space = Mapping[str, Sequence[Any]]

_CHOOSING = 2000  # images of val, and synthetic outliers, that hyper-parameters are chosen on


class UnfitError(UserError):
    """Why a detector cannot be fitted on these data; one sentence."""


def _nothing(known: Known) -> Space:
    return {}


@dataclass(frozen=True)
class Detector:
    """One row of the table.

    Attributes:
        name: for the command line and all tables.
        about: one line for a newcomer.
        source: the paper.
        reads: what of the images: their logits, their features, or what the text tower makes of them.
        fit: (known, **hyper-parameters) -> a score of evidence in which every class competes. Raises
            `UnfitError`.
        space: hyper-parameters and the values to try; val chooses.
    """

    name: str
    about: str
    source: str
    reads: Literal["logits", "features", "text"]
    fit: Callable[..., Score]
    space: Callable[[Known], Space] = _nothing


@dataclass(frozen=True, eq=False)
class Scorer:
    """A fitted detector.

    Attributes:
        detector: the row of the table.
        chosen: hyper-parameters.
        known: what it was fitted on.
    """

    detector: Detector
    chosen: dict[str, Any]
    known: Known
    _fitted: dict[tuple[int, ...], Score] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.detector.name

    def among(self, columns: Tensor) -> Score:
        """The score where only these classes compete, int64 [K]: fitted on their images alone, as if there
        were no others; hyper-parameters stay. Raises `UnfitError`."""
        key = tuple(columns.tolist())
        if key not in self._fitted:
            self._fitted[key] = self.detector.fit(self.known.restricted(columns), **self.chosen)
        return self._fitted[key]

    @torch.no_grad()
    def __call__(self, evidence: Evidence) -> Tensor:
        """Float64 [N]; higher: more in-distribution."""
        columns = competing(evidence)
        return self.among(columns)(take(evidence, columns)).double()


def fit_all(known: Known, names: Sequence[str] | None = None) -> tuple[list[Scorer], dict[str, str]]:
    """Detectors fitted on what is known, in the order of the table, and those left out, with a reason.

    Raises `UserError` for a name that is not in the table.
    """
    from anchorline.detection.table import DETECTORS  # its rows are `Detector`s

    for name in names or ():
        if name not in DETECTORS:
            near = get_close_matches(name, DETECTORS, cutoff=0.4)
            raise UserError(
                f"there is no detector {name!r}; choose among {', '.join(near or sorted(DETECTORS))}"
            )
    known = replace(known, encode_words=_once(known.encode_words))
    fitted, left_out = [], {}
    for name, detector in DETECTORS.items():
        if names is None or name in names:
            try:
                fitted.append(fit(detector, known))
            except UnfitError as error:
                left_out[name] = str(error)
    return fitted, left_out


def _once(encode: Callable[[Sequence[str]], Tensor]) -> Callable[[Sequence[str]], Tensor]:
    kept: dict[tuple[str, ...], Tensor] = {}

    def encode_words(words: Sequence[str]) -> Tensor:
        key = tuple(words)
        if key not in kept:
            kept[key] = encode(words)
        return kept[key]

    return encode_words


@torch.no_grad()
def fit(detector: Detector, known: Known) -> Scorer:
    """A detector with the hyper-parameters that best tell val from the synthetic outliers, by AUROC; ties go
    to the first. Raises `UnfitError`."""
    space = detector.space(known)
    candidates = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    scorers = [Scorer(detector, chosen, known) for chosen in candidates]
    if len(scorers) == 1:
        scorers[0].among(torch.arange(len(known.classes)))
        return scorers[0]
    inside, outside = (_some(evidence) for evidence in (known.val, known.synthetic))
    return max(scorers, key=lambda scorer: auroc(scorer(inside), scorer(outside)))


def _some(evidence: Evidence) -> Evidence:
    if len(evidence.logits) <= _CHOOSING:
        return evidence
    rows = drawn(len(evidence.logits), _CHOOSING)
    return take(evidence, torch.arange(evidence.logits.shape[1]), rows)


def drawn(count: int, most: int) -> Tensor:
    """At most `most` of `count` indices, int64, ascending: a seeded random choice without replacement."""
    if count <= most:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:most].sort().values


@torch.no_grad()
def scores(scorers: Sequence[Scorer], evidence: Evidence, chunk: int = 4096) -> dict[str, Tensor]:
    """Float64 [N] of each detector, by name; `chunk` images at a time, so that memory stays as N grows.

    A detector that cannot be fitted on the classes of this set alone has no entry.
    """
    columns = competing(evidence)
    fitted: dict[str, Score] = {}
    for scorer in scorers:
        with suppress(UnfitError):
            fitted[scorer.name] = scorer.among(columns)
    found: dict[str, list[Tensor]] = {name: [] for name in fitted}
    for start in range(0, len(evidence.logits), chunk):
        part = take(evidence, columns, slice(start, start + chunk))
        part = replace(part, logits=part.logits.double())  # once for all
        for name, score in fitted.items():
            found[name].append(score(part).double())
    none = torch.empty(0, dtype=torch.float64)
    return {name: torch.cat([none, *parts]) for name, parts in found.items()}
