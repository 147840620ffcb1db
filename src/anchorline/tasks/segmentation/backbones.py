"""Pre-trained backbones: image towers of encoders, and whatever segmentation-models-pytorch knows by name."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from anchorline.encoders.encoder import Encoder
from anchorline.encoders.loading import BUNDLED, load_encoder
from anchorline.encoders.strided import guard_strided
from anchorline.encoders.weights import check_numbers
from anchorline.errors import UserError, close_names, first_line

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_DEPTHS = {"pyramid": 5, "tokens": 4}  # feature maps that decoders of either kind read


@dataclass(frozen=True, eq=False)
class Backbone:
    """A pre-trained network that makes feature maps of images; nobody changes it.

    Attributes:
        name, weights: as the user gave them; `load_backbone` gives it back.
        smp_name: the same network without weights, as segmentation-models-pytorch calls it.
        module: its encoder, in float32, in evaluation mode, on `device`. Standardised images [N, 3, H, W] ->
            a list of maps, the image itself first ("pyramid"), or a pair of lists, maps and class tokens
            ("tokens").
        kind: "pyramid" (each stage has half the size of the one before) or "tokens" (ViTs: all of one size).
        stride: H and W are multiples of it.
        mean, std: per channel, of pixels in [0, 1].
        random: True if its weights were never trained.
    """

    name: str
    weights: str
    smp_name: str
    module: nn.Module
    kind: Literal["pyramid", "tokens"]
    stride: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    random: bool
    device: torch.device

    @property
    def depth(self) -> int:
        """How many feature maps it makes, beside the image itself."""
        return _DEPTHS[self.kind]

    @property
    def channels(self) -> int:
        """Of the last feature map."""
        return int(self.module.out_channels[-1])  # type: ignore[index]

    @cached_property
    def hash(self) -> str:
        """Hex sha256 (16 digits) over names, shapes and values of all weights and statistics."""
        digest = hashlib.sha256(self.smp_name.encode())
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()[:16]

    def standardise(self, images: Tensor) -> Tensor:
        """Pixels [N, 3, H, W] in [0, 1] -> what the network wants."""
        mean = images.new_tensor(self.mean).view(1, 3, 1, 1)
        return (images - mean) / images.new_tensor(self.std).view(1, 3, 1, 1)


def load_backbone(name: str = BUNDLED, weights: str = "", device: str | None = None) -> Backbone:
    """Load a backbone by name.

    `name` is an encoder of `load_encoder` whose image tower is a timm model (`pictogram-clip`), an encoder of
    segmentation-models-pytorch ("resnet50"), or "tu-NAME" for any timm model with feature maps
    ("tu-vit_base_patch16_clip_224.openai"). `weights`: a file (safetensors, or torch's without code in it)
    with a state dict of the network, "none" for random ones, or "" for those that come with the name, which
    may need a network. Raises `UserError`.
    """
    smp = library()
    where = _device(device)
    if name in smp.encoders.get_encoder_names():
        return _named(name, name, weights, where)
    if name.startswith("tu-"):
        return _named(name, name, weights, where)
    if weights:
        raise UserError(
            f"--weights {weights}: the encoder {name} brings its own; give them with its name (MODEL:TAG or "
            "MODEL:FILE), or a backbone such as resnet50 or tu-regnetx_002"
        )
    try:
        encoder = load_encoder(name, device)
    except UserError as error:
        near = close_names(name, smp.encoders.get_encoder_names())
        hint = f"; backbones near it: {', '.join(near)}" if near else ""
        raise UserError(f"{error}{hint}") from error
    return _of_encoder(encoder)


def library() -> Any:
    """segmentation-models-pytorch. Raises `UserError` where it is not installed."""
    try:
        import segmentation_models_pytorch
    except ImportError as error:
        raise UserError(
            f"segmentation needs segmentation-models-pytorch, which cannot be imported ({error}); "
            "pip install 'anchorline[segment]'"
        ) from error
    return segmentation_models_pytorch


def _device(device: str | None) -> torch.device:
    try:
        return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise UserError(f"unknown device {device!r}; give cpu, cuda, cuda:1 and so on") from error


def _named(name: str, smp_name: str, weights: str, device: torch.device) -> Backbone:
    file = weights if weights not in ("", "none") else ""
    module, kind = _build(smp_name, name, pretrained=weights == "")
    if file:
        _put(module, _read(Path(file)), file)
    mean, std = _statistics(smp_name)
    return _backbone(name, weights, smp_name, module, kind, mean, std, weights == "none", device)


def _of_encoder(encoder: Encoder) -> Backbone:
    timm_name = json.loads(encoder.architecture).get("vision_cfg", {}).get("timm_model_name")
    trunk = getattr(encoder.image_tower, "trunk", None)
    if not timm_name or trunk is None:
        raise UserError(
            f"the image tower of {encoder.name} is no timm model, so it gives no feature maps; for CLIP's "
            "own ViTs take tu-vit_base_patch16_clip_224.openai and its like"
        )
    smp_name = f"tu-{timm_name}"
    module, kind = _build(smp_name, encoder.name, pretrained=False)
    _put(module, trunk.state_dict(), encoder.name)
    return _backbone(
        encoder.name, "", smp_name, module, kind, encoder.mean, encoder.std, encoder.random, encoder.device
    )


def _backbone(
    name: str, weights: str, smp_name: str, module: nn.Module, kind: Literal["pyramid", "tokens"],
    mean: tuple[float, ...], std: tuple[float, ...], random: bool, device: torch.device,
) -> Backbone:  # fmt: skip
    if random:
        warnings.warn(
            f"{name} has RANDOM weights: good for tests and timing, worthless for everything else",
            stacklevel=4,
        )
    check_numbers(module, f"backbone {name}")
    guard_strided(module)
    module = module.float().eval().requires_grad_(False).to(device)
    stride = int(module.output_stride)  # type: ignore[arg-type]
    return Backbone(name, weights, smp_name, module, kind, stride, mean, std, random, device)


def _build(smp_name: str, said: str, pretrained: bool) -> tuple[nn.Module, Literal["pyramid", "tokens"]]:
    """The encoder, its random weights always the same ones."""
    smp = library()
    kind = _kind(smp_name, said)
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a tag of timm is no tag of theirs
        torch.manual_seed(0)
        try:
            if kind == "tokens":
                timm_name = smp_name.removeprefix("tu-")
                options = {"dynamic_img_size": True, "num_classes": 0}
                encoder = smp.encoders.TimmViTEncoder(timm_name, pretrained, depth=_DEPTHS[kind], **options)
            else:
                given = "imagenet" if pretrained else None
                encoder = smp.encoders.get_encoder(smp_name, depth=_DEPTHS[kind], weights=given)
            return encoder, kind
        # timm and the hub raise whatever their sources raise; each means that it is not to be had.
        except Exception as error:
            raise UserError(
                f"backbone {said} could not be loaded: {first_line(error)}; "
                f"without a network these work: {BUNDLED}, --weights FILE, and what the Hugging Face cache "
                "already holds"
            ) from error


def _kind(smp_name: str, said: str) -> Literal["pyramid", "tokens"]:
    if not smp_name.startswith("tu-"):
        return "pyramid"
    import timm

    name = smp_name.removeprefix("tu-")
    if not timm.is_model(name):
        near = close_names(name.partition(".")[0], timm.list_models())
        hint = f"; near it: {', '.join(f'tu-{one}' for one in near)}" if near else ""
        raise UserError(f"timm has no model {name!r}{hint}; give another --backbone")
    with torch.device("meta"):
        features = getattr(timm.create_model(name, pretrained=False), "feature_info", [])
    reductions = {one["reduction"] for one in features}
    if not reductions:
        raise UserError(f"{said} gives no feature maps; give another --backbone, such as {BUNDLED}")
    return "tokens" if len(reductions) == 1 else "pyramid"


def _statistics(smp_name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of what the weights were trained on; ImageNet's where nothing is known."""
    if not smp_name.startswith("tu-"):  # all of segmentation-models-pytorch's own have these
        return _IMAGENET
    import timm

    config = timm.get_pretrained_cfg(smp_name.removeprefix("tu-"))
    return (tuple(config.mean), tuple(config.std)) if config else _IMAGENET


def _read(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        found = torch.load(file, map_location="cpu", weights_only=True)
        return dict(found.get("state_dict", found))
    except Exception as error:
        raise UserError(
            f"cannot read weights from {file} ({type(error).__name__}); give a safetensors file, or one of "
            "torch.save that holds tensors alone"
        ) from error


def _put(module: nn.Module, weights: dict[str, Tensor], said: str) -> None:
    """Weights under the names that timm's models have, whole or as lists of features.

    In lists of features timm calls "stages.0" "stages_0"; a classifier on top is left out.
    """
    own = module.state_dict()
    found = {}
    for name in own:
        plain = name.removeprefix("model.")
        spellings = (name, plain, re.sub(r"_(\d+)\.", r".\1.", plain, count=1))
        known = next((one for one in spellings if one in weights), None)
        if known is None or weights[known].shape != own[name].shape:
            raise UserError(
                f"the weights of {said} do not fit the network: {plain} is missing or has another shape; "
                "give weights of this very network"
            )
        found[name] = weights[known]
    # torch's own: those of the library rename keys for files of earlier versions.
    nn.Module.load_state_dict(module, found)
