"""The image tower, or some of its parameters, and a head that starts from the captions."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from anchorline.encoders.encoder import Encoder, pooled
from anchorline.errors import UserError
from anchorline.methods.tunables.base import AdaptedModel, Pretrained, Tunable
from anchorline.methods.tunables.head import Headed, StartOfHead

Statistics = Literal["kept", "updated"]


class TunedTower(Headed):
    """A copy of the image tower. It stays in evaluation mode, but for the statistics that are updated."""

    changes_images = True

    def __init__(
        self,
        pretrained: Pretrained,
        start_from: StartOfHead,
        parameters: tuple[str, ...],
        statistics: Statistics,
    ) -> None:
        super().__init__(pretrained, start_from)
        self.tower = copy.deepcopy(pretrained.encoder.image_tower).eval()
        self.normalisations: dict[str, Any] = {}
        if statistics == "updated":
            self.normalisations = {n: m for n, m in self.tower.named_modules() if _has_statistics(m)}
            if not self.normalisations:
                raise UserError(
                    f"the image tower of {pretrained.encoder.name} has no batch normalisation, whose "
                    "statistics could be updated; leave tunable.statistics=kept"
                )
        unused = [p for p in parameters if not any(_matches(n, (p,)) for n, _ in _parameters(self.tower))]
        if unused:
            names = [name for name, _ in _parameters(self.tower)]
            raise UserError(
                f"no parameter of the image tower of {pretrained.encoder.name} matches {unused[0]!r}; "
                f"its parameters are called {', '.join(names[:4])} …"
            )
        for name, parameter in _parameters(self.tower):
            parameter.requires_grad_(_matches(name, parameters))

    @property
    def image_tower(self) -> nn.Module:
        return self.tower

    def features(self, images: Tensor) -> Tensor:
        with self.encoder.precision():
            found = pooled(self.tower(self.tower_input(images)))
        return F.normalize(found.float(), dim=-1) if self.unit_features else found.float()

    def anchors(self) -> dict[str, Tensor]:
        pretrained = dict(_parameters(self.encoder.image_tower))
        return {f"tower.{name}": pretrained[name] for name, p in _parameters(self.tower) if p.requires_grad}

    def tuned_encoder(self) -> Encoder:
        later = replace(self.encoder, model=copy.deepcopy(self.encoder.model))
        later.image_tower.load_state_dict(self.tower.state_dict())
        return later

    def statistics(self) -> dict[str, Tensor]:
        return {
            f"tower.{name}.{moving}": getattr(module, moving)
            for name, module in self.normalisations.items()
            for moving in ("running_mean", "running_var")
        }

    def train(self, mode: bool = True) -> TunedTower:
        for module in self.normalisations.values():
            module.train(mode)
        return self


def _parameters(tower: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return tower.named_parameters()


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True)
class ImageTower(Tunable):
    """The image tower and a linear head.

    Attributes:
        parameters: patterns of the names of the tower's parameters that are trained.
        start_from: where the head starts; see `Headed`.
        statistics: of batch normalisation: as pre-trained, in training too (batches of a small set are no
            basis for others), or those of the batch, and their running means at inference.
    """

    parameters: tuple[str, ...] = ("*",)
    start_from: StartOfHead = "zero-shot"
    statistics: Statistics = "kept"

    changes_images = True
    trains_weights = True

    @property
    def name(self) -> str:
        return "image tower + head" if "*" in self.parameters else "biases + head"

    @property
    def fitted_at_start(self) -> bool:
        return self.start_from == "linear-probe"

    @property
    def starts_untouched(self) -> bool:
        return self.start_from != "random"

    @property
    def unit_features(self) -> bool:
        return self.start_from != "random"

    def start(self, pretrained: Pretrained) -> AdaptedModel:
        return TunedTower(pretrained, self.start_from, self.parameters, self.statistics)


choices = {"image-tower": ImageTower(), "biases": ImageTower(parameters=("*bias",))}
