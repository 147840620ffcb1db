"""A backbone with a decoder, as the training loop and the constraints see it."""

from __future__ import annotations

import math
import re
from fnmatch import fnmatchcase
from typing import Any, cast

from torch import Tensor, nn

from anchorline.errors import UserError
from anchorline.tasks.segmentation.backbones import Backbone
from anchorline.tasks.segmentation.decoders import decoded_by, find_decoder
from anchorline.tunables import Tuned

_BACKBONE = "network.encoder."


class Segmenter(Tuned):
    """A new decoder on a copy of a pre-trained backbone, whose normalisation statistics stay as they were.

    Args:
        backbone: pre-trained; nobody changes it.
        decoder: a name in `DECODERS`.
        classes: number of classes.
        parameters: patterns of the names of the backbone's parameters that are trained beside the decoder.
        layer_decay: learning rates fall by this factor from each layer of the backbone to the one below.
        width: channels of the decoder.
        seed: of the decoder's first weights.
    """

    def __init__(
        self,
        backbone: Backbone,
        decoder: str,
        classes: int,
        *,
        parameters: tuple[str, ...] = ("*",),
        layer_decay: float = 1.0,
        width: int,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.__dict__["backbone"] = backbone  # no part of this module: its weights are frozen and not ours
        self.layer_decay = layer_decay
        row = find_decoder(decoder, backbone)
        self.step = math.lcm(backbone.stride, row.step)
        self.network = decoded_by(row, backbone, classes, width, seed)
        for name, parameter in self.network.encoder.named_parameters():  # type: ignore[union-attr]
            parameter.requires_grad_(any(fnmatchcase(name, pattern) for pattern in parameters))

    @property
    def backbone(self) -> Backbone:
        return cast(Backbone, self.__dict__["backbone"])

    def check(self, height: int, width: int) -> None:
        """Raises `UserError` where the network cannot compute images of this size."""
        if height % self.step or width % self.step or not height * width:
            raise UserError(
                f"{self.backbone.name} computes images whose height and width are multiples of {self.step} "
                f"pixels, not {height} x {width}; give another --size"
            )

    def forward(self, images: Tensor) -> Tensor:
        """Pixels in [0, 1], float32 [N, 3, H, W] -> logits [N, C, H, W]."""
        return cast(Tensor, self.network(self.backbone.standardise(images)))

    def anchors(self) -> dict[str, Tensor]:
        """The pre-trained values of the backbone's trained parameters; the decoder has none."""
        pretrained = dict(self.backbone.module.named_parameters())
        trained = self._own()
        return {
            f"{_BACKBONE}{name}": value
            for name, value in pretrained.items()
            if f"{_BACKBONE}{name}" in trained
        }

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """One group a layer: `layer_decay` to the power of its distance from the decoder, times `lr`."""
        layers: dict[str, list[nn.Parameter]] = {}
        new: list[nn.Parameter] = []
        for name, parameter in self._own().items():
            if name.startswith(_BACKBONE):
                layers.setdefault(layer_of(name.removeprefix(_BACKBONE)), []).append(parameter)
            else:
                new.append(parameter)
        if self.layer_decay == 1:
            return [{"params": [*(p for own in layers.values() for p in own), *new], "lr": lr}]
        falling = [
            {"params": own, "lr": lr * self.layer_decay ** (len(layers) - number)}
            for number, own in enumerate(layers.values())
        ]
        return [*falling, {"params": new, "lr": lr}]

    def train(self, mode: bool = True) -> Segmenter:
        return self  # stays in evaluation mode: no statistics change, and nothing is drawn


def layer_of(name: str) -> str:
    """The layer of a backbone's parameter: its stage, or its block in a vision transformer ("blocks.3").

    What a vision transformer has before its blocks (patches, positions, class token) is one layer.
    """
    plain = name.removeprefix("model.")
    if block := re.match(r"blocks\.\d+", plain):
        return block.group()
    first = plain.partition(".")[0]
    return (
        "embedding" if first in ("cls_token", "pos_embed", "reg_token", "patch_embed", "norm_pre") else first
    )
