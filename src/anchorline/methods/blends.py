"""How adapted and pre-trained meet at inference. Imports torch only.

Each blend has a strength α in [0, 1]: 0 is the adapted classifier alone, 1 the pre-trained one alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

ALPHAS = tuple(i / 10 for i in range(11))


@dataclass(frozen=True, eq=False)
class LinearOutputs:
    """What one encoder makes of images and classes.

    Attributes:
        images: image features, float32 [N, D].
        weight, bias: the linear classifier on them, [C, D] and [C].
    """

    images: Tensor
    weight: Tensor
    bias: Tensor

    @property
    def logits(self) -> Tensor:
        """[N, C]."""
        return self.images @ self.weight.T + self.bias


@runtime_checkable
class Blend(Protocol):
    """A frozen dataclass, whose fields are the choices. A subclass gives `name`, `alpha`, and `weights` or
    `view`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """For the table of methods."""

    @property
    @abstractmethod
    def alpha(self) -> float | None:
        """Its strength; None if val is to choose it from `ALPHAS`."""

    @property
    def blends(self) -> bool:
        """Whether its strength makes a difference."""
        return True

    @property
    def mixes_weights(self) -> bool:
        """Whether `weights` goes back towards the first values of what was trained."""
        return False

    @property
    def mixes_features(self) -> bool:
        """Whether `view` takes means of adapted and pre-trained features."""
        return False

    @property
    def needs_pretrained(self) -> bool:
        """Whether `view` looks at the pre-trained one."""
        return False

    def weights(
        self, tuned: Mapping[str, Tensor], pretrained: Mapping[str, Tensor], alpha: float
    ) -> dict[str, Tensor]:
        """The tensors with which the adapted encoder runs, by name."""
        return dict(tuned)

    def view(self, adapted: LinearOutputs, pretrained: LinearOutputs, alpha: float) -> LinearOutputs:
        """One linear classifier on one kind of features, whose logits are the blend's."""
        return adapted


@dataclass(frozen=True)
class Unblended(Blend):
    """The adapted classifier alone."""

    name = "none"
    alpha = 0.0
    blends = False


@dataclass(frozen=True)
class Weights(Blend):
    """WiSE-FT: θ = (1 - α) θ_adapted + α θ_pre-trained (arXiv 2109.01903, equation 1, whose α is 1 - ours).

    Attributes:
        alpha: share of the pre-trained weights; None: chosen on val.
    """

    alpha: float | None = None

    name = "weights"
    mixes_weights = True

    def weights(
        self, tuned: Mapping[str, Tensor], pretrained: Mapping[str, Tensor], alpha: float
    ) -> dict[str, Tensor]:
        return {name: torch.lerp(tensor, pretrained[name], alpha) for name, tensor in tuned.items()}


@dataclass(frozen=True)
class Residual(Blend):
    """Residual: z = (1 - α) z_adapted + α z_pre-trained of unit vectors (arXiv 2403.10800, section 3.3).

    Attributes:
        alpha: share of the pre-trained features; None: chosen on val.
        on: which features are blended.
        renormalise: make blended features unit vectors again; the paper does not.
    """

    alpha: float | None = 0.4
    on: Literal["both", "image", "text"] = "both"
    renormalise: bool = False

    name = "features"
    mixes_features = True
    needs_pretrained = True

    def view(self, adapted: LinearOutputs, pretrained: LinearOutputs, alpha: float) -> LinearOutputs:
        images, weight, bias = adapted.images, adapted.weight, adapted.bias
        if self.on != "text":
            images = self._mixed(images, pretrained.images, alpha)
        if self.on != "image":
            weight = self._mixed(weight, pretrained.weight, alpha)
            bias = torch.lerp(bias, pretrained.bias, alpha)
        return LinearOutputs(images, weight, bias)

    def _mixed(self, adapted: Tensor, pretrained: Tensor, alpha: float) -> Tensor:
        mixed = torch.lerp(adapted, pretrained, alpha)
        if not self.renormalise:
            return mixed
        # Class vectors carry the logit scale: their length, the mean of the two, is kept.
        length = torch.lerp(adapted.norm(dim=-1, keepdim=True), pretrained.norm(dim=-1, keepdim=True), alpha)
        return F.normalize(mixed, dim=-1) * length


@dataclass(frozen=True)
class Logits(Blend):
    """(1 - α) logits_adapted + α logits_pre-trained: an ensemble of the two classifiers.

    Attributes:
        alpha: share of the pre-trained logits; None: chosen on val.
    """

    alpha: float | None = None

    name = "logits"
    needs_pretrained = True

    def view(self, adapted: LinearOutputs, pretrained: LinearOutputs, alpha: float) -> LinearOutputs:
        # The mean of two linear classifiers is one, on the features of both side by side.
        return LinearOutputs(
            torch.cat([adapted.images, pretrained.images], dim=1),
            torch.cat([(1 - alpha) * adapted.weight, alpha * pretrained.weight], dim=1),
            torch.lerp(adapted.bias, pretrained.bias, alpha),
        )


choices = {  # after --set blend=
    "none": Unblended(),
    "weights": Weights(),
    "residual": Residual(),
    "logits": Logits(),
}
