"""A backbone with a decoder, as the training loop and the constraints see it."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from anchorline.methods.tunables import TunableModel
from anchorline.tasks.segmentation.backbones import Backbone
from anchorline.tasks.segmentation.decoders import decoded_by, find_decoder

Precision = Literal["auto", "float32", "bf16"]  # as in `Training`

_BACKBONE = "network.encoder."
# Parts of a name that stand for a layer: what lies before the first stage, and the number of a stage.
_STEM = re.compile(
    r"stem(_\d+)?|_?conv_stem|conv[01]|bn1|_bn0|norm0|patch_embed|cls_token|pos_embed|reg_token|norm_pre"
)
_STAGE = re.compile(r"(?:patch_embed|block|norm|layer|stage|s|stages_|layers_)(\d+)")
_HEAD = re.compile(r"_conv_head|_bn1")
_NUMBERED = re.compile(r"(?:_?blocks|features|stages|layers)\.\d+")


class Segmenter(TunableModel):
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
        self.backbone = backbone
        self.classes, self.layer_decay = classes, layer_decay
        self.network = decoded_by(find_decoder(decoder, backbone), backbone, classes, width, seed)
        for name, parameter in self.network.encoder.named_parameters():  # type: ignore[union-attr]
            parameter.requires_grad_(any(fnmatchcase(name, pattern) for pattern in parameters))

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


@torch.no_grad()
def logits_of(model: Segmenter, images: Tensor, precision: Precision) -> Tensor:
    """Pixels in [0, 1], float32 [N, 3, H, W] -> float32 [N, C, H, W] on the device of the backbone.

    They are computed in the precision of the training.
    """
    device = model.backbone.device
    in_bf16 = precision == "bf16" or (precision == "auto" and device.type == "cuda")
    with torch.autocast(device.type, torch.bfloat16, enabled=in_bf16):
        logits: Tensor = model(images.to(device))
    return logits.float()


def layer_of(name: str) -> str:
    """The layer of a backbone's parameter: its stage ("stage 2"), or its block ("blocks.3").

    What lies before them (a convolution and its normalisation; patches, positions, class token) is one layer,
    "stem". Layers in the order of their first parameters go from the image upwards.
    """
    plain = name.removeprefix("model.")
    if block := _NUMBERED.match(plain):
        return block.group()
    first = plain.removeprefix("features.").partition(".")[0]
    if _STEM.fullmatch(first):
        return "stem"
    if stage := _STAGE.fullmatch(first):
        return f"stage {stage.group(1)}"
    return "head" if _HEAD.fullmatch(first) else first
