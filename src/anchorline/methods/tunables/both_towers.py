"""Image tower, text tower and logit scale together."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from anchorline.encoders.encoder import Encoder
from anchorline.encoders.text_tower import TextTower
from anchorline.methods.tunables.base import AdaptedModel, Captioned, Captions, Pretrained, Tunable


class TunedTowers(Captioned):
    """A copy of the whole model; normalisation statistics stay as they were pre-trained."""

    changes_images = True

    def __init__(self, pretrained: Pretrained, template_an_image: bool) -> None:
        super().__init__(pretrained)
        self.template_an_image = template_an_image
        self.model = copy.deepcopy(pretrained.encoder.model).eval().requires_grad_(True)

    @property
    def image_tower(self) -> nn.Module:
        return cast(nn.Module, self.model.visual)

    def features(self, images: Tensor) -> Tensor:
        with self.encoder.precision():
            found = self.model.encode_image(self.tower_input(images))  # type: ignore[operator]
        return F.normalize(found.float(), dim=-1)

    def encode(self, tokens: Tensor) -> Tensor:
        return TextTower(self.model)(tokens)

    def classifier(self, captions: Captions = None) -> tuple[Tensor, Tensor]:
        vectors = self.class_vectors(captions)
        return self.model.logit_scale.exp() * vectors, vectors.new_zeros(len(vectors))  # type: ignore[operator]

    def anchors(self) -> dict[str, Tensor]:
        return {f"model.{name}": p for name, p in self.encoder.model.named_parameters()}

    def tuned_encoder(self) -> Encoder:
        return replace(self.encoder, model=copy.deepcopy(self.model).requires_grad_(False))

    def train(self, mode: bool = True) -> TunedTowers:
        return self  # evaluation mode, as for the image tower alone


@dataclass(frozen=True)
class BothTowers(Tunable):
    """The whole encoder; class vectors come from its text tower.

    Attributes:
        template: how training draws from several captions of a class: one for each "image" of a batch, as in
            the released code of FLYP, or one for each "step", the same for all classes.
    """

    template: Literal["image", "step"] = "image"

    name = "both towers"
    changes_images = True
    trains_weights = True

    def start(self, pretrained: Pretrained) -> AdaptedModel:
        return TunedTowers(pretrained, self.template == "image")

    def layer_name(self, tensor: str) -> str:
        inside = tensor.removeprefix("model.visual.")
        return tensor if inside == tensor else f"tower.{inside}"


choices = {"both-towers": BothTowers()}
