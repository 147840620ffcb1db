"""What makes a class for each pixel out of a backbone's feature maps. A decoder is new: nothing holds it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from anchorline.errors import UserError
from anchorline.tasks.segmentation.backbones import Backbone, library


@dataclass(frozen=True)
class Decoder:
    """One row of the table.

    Attributes:
        name: for the command line.
        about: one line for a newcomer.
        kinds: of the backbones that it can read.
        build: backbone, number of classes, width -> a network from standardised images [N, 3, H, W] to logits
            [N, C, H, W]; its `encoder` is the backbone's network, without its weights.
        step: H and W are multiples of it, and of the backbone's stride.
        unit: the width is a multiple of it.
        doubles: it up-samples by twos, so that the stride of the backbone must be a power of two.
    """

    name: str
    about: str
    kinds: tuple[Literal["pyramid", "tokens"], ...]
    build: Callable[[Backbone, int, int], nn.Module]
    step: int = 1
    unit: int = 1
    doubles: bool = False

    def check(self, backbone: Backbone, width: int, size: tuple[int, int]) -> None:
        """Raises `UserError` where no such width can be built, or images of that size not be computed."""
        if width < 1 or width % self.unit:
            raise UserError(
                f"the decoder {self.name} has a multiple of {self.unit} channels, not {width}; give another "
                "--width"
            )
        step = math.lcm(backbone.stride, self.step)
        if any(side < 1 or side % step for side in size):
            raise UserError(
                f"{backbone.name} with {self.name} computes images whose height and width are multiples of "
                f"{step} pixels, not {size[0]} x {size[1]}; give another --size"
            )


class Linear(nn.Module):
    """A 1x1 convolution on the last feature map, up-sampled to the image."""

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(backbone.module)
        self.segmentation_head = nn.Conv2d(backbone.channels, classes, 1)
        self.tokens = backbone.kind == "tokens"

    def forward(self, images: Tensor) -> Tensor:
        features = self.encoder(images)
        last = features[0][-1] if self.tokens else features[-1]
        logits = self.segmentation_head(last)
        return nn.functional.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)


def _unet(backbone: Backbone, classes: int, width: int) -> nn.Module:
    channels = [4 * width, 2 * width, width, width // 2, width // 4]
    return _smp("Unet", backbone, classes, decoder_channels=channels)


def _fpn(backbone: Backbone, classes: int, width: int) -> nn.Module:
    options = {"decoder_pyramid_channels": width, "decoder_segmentation_channels": width}
    return _smp("FPN", backbone, classes, **options, decoder_dropout=0.0)


def _deeplab(backbone: Backbone, classes: int, width: int) -> nn.Module:
    options = {"decoder_channels": width, "decoder_aspp_dropout": 0.0, "encoder_output_stride": 16}
    return _smp("DeepLabV3Plus", backbone, classes, **options)  # its last stage is dilated instead of strided


def _dpt(backbone: Backbone, classes: int, width: int) -> nn.Module:
    options: dict[str, Any] = {"dynamic_img_size": True, "num_classes": 0}
    between = [width, width, 2 * width, 2 * width]
    return _smp(
        "DPT", backbone, classes,
        decoder_fusion_channels=width, decoder_intermediate_channels=between, **options,
    )  # fmt: skip


def _smp(kind: str, backbone: Backbone, classes: int, **options: Any) -> nn.Module:
    model = getattr(library(), kind)(backbone.smp_name, encoder_weights=None, classes=classes, **options)
    return cast(nn.Module, model)


_GROUP = 4  # channels of a normalised group, at least: one number alone is normalised to zero

DECODERS: dict[str, Decoder] = {
    decoder.name: decoder
    for decoder in (
        Decoder(
            "fpn", "feature pyramid (Kirillov et al. 2019, arXiv 1901.02446)", ("pyramid",), _fpn, unit=32
        ),
        Decoder("unet", "U-Net (Ronneberger et al. 2015, arXiv 1505.04597)", ("pyramid",), _unet, unit=4),
        Decoder(
            "deeplabv3plus",
            "DeepLabV3+ (Chen et al. 2018, arXiv 1802.02611)",
            ("pyramid",),
            _deeplab,
            unit=_GROUP,
        ),
        Decoder(
            "dpt",
            "dense prediction of tokens (Ranftl et al. 2021, arXiv 2103.13413)",
            ("tokens",),
            _dpt,
            step=32,
            unit=_GROUP,
            doubles=True,
        ),
        Decoder(
            "linear",
            "a 1x1 convolution on the last feature map",
            ("pyramid", "tokens"),
            lambda backbone, classes, width: Linear(backbone, classes),
        ),
    )
}


def find_decoder(name: str, backbone: Backbone) -> Decoder:
    """The row of that name. Raises `UserError` if there is none, or it cannot read the backbone."""
    if name not in DECODERS:
        raise UserError(f"unknown decoder {name!r}; the decoders are {', '.join(DECODERS)}")
    decoder = DECODERS[name]
    if backbone.kind not in decoder.kinds:
        fit = [one.name for one in DECODERS.values() if backbone.kind in one.kinds]
        kind = "makes feature maps of one size" if backbone.kind == "tokens" else "is no vision transformer"
        raise UserError(
            f"the decoder {name} cannot read {backbone.name}, which {kind}; give --decoder {' or '.join(fit)}"
        )
    if decoder.doubles and math.log2(backbone.stride) % 1:
        raise UserError(
            f"{name} needs patches of 8, 16 or 32 pixels, and those of {backbone.name} have "
            f"{backbone.stride}; give --decoder linear"
        )
    return decoder


def decoded_by(decoder: Decoder, backbone: Backbone, classes: int, width: int, seed: int) -> nn.Module:
    """The decoder on a copy of the backbone, its own weights drawn by `seed`.

    It draws no random numbers when it computes, and keeps no statistics: batch normalisation is replaced by
    group normalisation (Wu & He 2018, arXiv 1803.08494) and dropout is off, so that a training goes on from
    its parameters alone to the same bits, and small batches do.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = decoder.build(backbone, classes, width)
    encoder = cast(nn.Module, network.encoder)
    # torch's own: those of the library rename keys for files of earlier versions.
    nn.Module.load_state_dict(encoder, backbone.module.state_dict())
    for name, child in network.named_children():
        if name != "encoder":  # its normalisation stays as it was pre-trained
            _without_statistics(child)
    return network.eval().to(backbone.device)


def _without_statistics(module: nn.Module) -> None:
    children = dict(module.named_children())
    # What was pooled to one pixel is normalised over its channels.
    pooled = any(isinstance(child, nn.AdaptiveAvgPool2d) for child in children.values())
    for name, child in children.items():
        if isinstance(child, nn.BatchNorm2d):
            channels = child.num_features
            fitting = (g for g in (32, 16, 8, 4, 2) if not channels % g and channels // g >= _GROUP)
            setattr(module, name, nn.GroupNorm(1 if pooled else next(fitting, 1), channels))
        else:
            _without_statistics(child)
