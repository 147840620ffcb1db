"""Detectors that use the text tower. Each `fit(data, …)` gives a score, higher: more in-distribution."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import torch
import torch.nn.functional as F
from torch import Tensor

from anchorline.detectors.base import Score, Space, UnfitError
from anchorline.detectors.evidence import Arrays, FitData, local_of
from anchorline.metrics import scores

SHARE = 0.15  # of the words become negative ones
QUANTILE = 0.95  # of a word's similarities to the class captions is how near it is to them
ADJECTIVE = "This is a {} photo"  # caption of an adjective; nouns are captioned as classes are


@cache
def nouns() -> tuple[str, ...]:
    """10,000 English nouns of WordNet 3.1, the most common first; `scripts/build_words.py` makes the file.
    NegLabel mines negative words from them."""
    return _read("nouns.txt")


@cache
def adjectives() -> tuple[str, ...]:
    """2,240 English adjectives, likewise; none is among the nouns."""
    return _read("adjectives.txt")


def _read(name: str) -> tuple[str, ...]:
    return tuple((files("anchorline") / "data" / "words" / name).read_text("utf-8").split())


def mcm(data: FitData) -> Score:
    return lambda evidence: scores.mcm(evidence.cosines)


def gl_mcm(data: FitData) -> Score:
    """MCM plus its local part, weight 1, temperature 1 for both."""
    if local_of(data.val) is None:
        raise UnfitError(
            "it reads patches: they need --patches, an image tower that has any, and no blend of features"
        )

    def score(evidence: Arrays) -> Tensor:
        assert evidence.local is not None
        return scores.mcm(evidence.cosines) + evidence.local

    return score


def neglabel(data: FitData, groups: int) -> Score:
    """Mean over groups of negative words of Σ_classes e^(s cos) / (Σ_classes e^(s cos) + Σ_group e^(s cos)),
    s the logit scale: the paper's temperature of 0.01 is CLIP's scale of 100. Nouns and adjectives are mined
    apart; the last ones, which fill no group, are left out."""
    words = torch.cat([kind[mined(kind, data.captions)] for kind in _words(data)])
    words = words[: len(words) // groups * groups]
    order = torch.randperm(len(words), generator=torch.Generator().manual_seed(0))
    texts = data.logit_scale * torch.cat([data.captions, words[order]]).float().T

    def score(evidence: Arrays) -> Tensor:
        similar = (F.normalize(evidence.features.float(), dim=1) @ texts).double()
        classes = similar[:, : len(data.classes)].logsumexp(1, keepdim=True)
        negative = similar[:, len(data.classes) :].reshape(len(similar), groups, -1).logsumexp(2)
        return torch.sigmoid(classes - negative).mean(1)

    return score


def neglabel_space(data: FitData) -> Space:
    """One group, or the paper's hundred."""
    words = sum(int(SHARE * len(kind)) for kind in _words(data))
    return {"groups": [groups for groups in (1, 100) if groups <= words]}


def mined(words: Tensor, captions: Tensor) -> Tensor:
    """NegMining: the indices of the words [W, D] that are farthest from the class captions [C, D].

    Both are unit. A word is as near to the classes as the 95th percentile of its cosines with them; the
    farthest 15 % are taken, farthest first, int64 [M] (algorithm 1, with its η = 0.05 and p = 15 %).
    """
    parts = (words[start : start + 1000].float() @ captions.T for start in range(0, len(words), 1000))
    near = torch.cat([part.quantile(QUANTILE, dim=1) for part in parts])
    return near.argsort(stable=True)[: int(SHARE * len(words))]


def _words(data: FitData) -> tuple[Tensor, Tensor]:
    """Vectors of the nouns and of the adjectives."""
    found = data.encode_words(nouns(), ""), data.encode_words(adjectives(), ADJECTIVE)
    if found[0].shape[1] != data.weight.shape[1]:
        raise UnfitError(
            f"NegLabel compares images with words, but features have {data.weight.shape[1]} dimensions and "
            f"words {found[0].shape[1]}"
        )
    return found
