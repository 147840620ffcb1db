"""A linear head on frozen features."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from anchorline.methods.tunables.base import AdaptedModel, Captions, Pretrained, Tunable

# The protocol of arXiv 2103.00020, appendix A.3: L-BFGS, strength swept on val in logarithmic steps.
# Strong end: weights near zero; weak end: the training set is fitted.
L2 = (1e-1, 1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6)

StartOfHead = Literal["zero-shot", "linear-probe", "random"]


class Headed(AdaptedModel):
    """An adaptation with a linear classifier of its own in place of the captions'.

    It starts from the captions' vectors times the logit scale; from multinomial logistic regression; or at
    random as `torch.nn.Linear` does, and then reads features as they leave the trained tower, of any length
    (released code of FTP, models/clip_resnet.py).
    """

    def __init__(self, pretrained: Pretrained, start_from: StartOfHead, l2: tuple[float, ...] = L2) -> None:
        super().__init__(pretrained)
        weight = pretrained.encoder.logit_scale * pretrained.captions
        bias = torch.zeros(len(weight))
        found = pretrained.linear_probe(l2) if start_from == "linear-probe" else None
        if start_from == "random":
            self.unit_features = False
            rng, bound = pretrained.generator(), 1 / math.sqrt(weight.shape[1])
            weight, bias = (
                torch.empty(one.shape).uniform_(-bound, bound, generator=rng) for one in (weight, bias)
            )
        elif found:
            weight, bias = found.weight.clone(), found.bias.clone()  # the task keeps its own for other trials
            self.chosen = {"l2": found.l2}
        device = pretrained.encoder.device
        self.head = nn.ParameterDict(
            {"weight": nn.Parameter(weight.to(device)), "bias": nn.Parameter(bias.to(device))}
        )

    def classifier(self, captions: Captions = None) -> tuple[Tensor, Tensor]:
        return self.head["weight"], self.head["bias"]

    def rows_from(self, name: str, before: AdaptedModel) -> Tensor | None:
        if not name.startswith("head."):
            return super().rows_from(name, before)
        return torch.tensor([self.pretrained.classes.index(one) for one in before.pretrained.classes])


@dataclass(frozen=True)
class Head(Tunable):
    """A linear classifier on the frozen image features.

    Attributes:
        start_from: see `Headed`; the logistic regression leaves nothing to train.
        l2: strengths of the regression's penalty ½·l2·‖W‖² per training image to choose from, on val.
    """

    start_from: StartOfHead = "zero-shot"
    l2: tuple[float, ...] = L2

    name = "head"

    @property
    def fitted_at_start(self) -> bool:
        return self.start_from == "linear-probe"

    def start(self, pretrained: Pretrained) -> AdaptedModel:
        return Headed(pretrained, self.start_from, self.l2)


choices = {"head": Head()}
