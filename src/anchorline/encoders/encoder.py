"""A pre-trained text-image encoder: what it is and what it computes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anchorline.encoders.captions import captions_of
from anchorline.encoders.text_tower import TextTower, hugging_face_layout
from anchorline.encoders.tokenizers import tokenizer_identity
from anchorline.engine.hardware import keep_freed_memory
from anchorline.engine.memory import out_of_memory
from anchorline.engine.parallel import Progress
from anchorline.errors import UserError
from anchorline.suites.images.decode import Geometry
from anchorline.suites.images.rgb import Pixels

_TEXTS = 256  # encoded at a time
_CONTEXT = 77  # tokens of a text, unless the architecture says otherwise
_UNIT = 1e-2  # how far from 1 a length may be
# Images that are encoded at a time: on a CPU as many pixels as its caches hold, 32 images of 224 x 224.
_AT_ONCE, _PIXELS_AT_ONCE = 256, 32 * 224 * 224


@dataclass(frozen=True, eq=False)
class Encoder:
    """An open_clip model with what belongs to it.

    Attributes:
        name: as the user gave it; `load_encoder(name)` gives it back.
        model: open_clip's CLIP or CustomTextCLIP, in float32, in evaluation mode.
        tokenizer: texts -> int64 [N, context length].
        architecture: open_clip's configuration of the towers, as JSON.
        geometry: how an image becomes pixels.
        mean, std: per channel, of pixels in [0, 1].
        templates: the captions to average for zero-shot weights, each with one `{}`.
        random: True if its weights were never trained.
        device: where the model lies.
        in_bf16: whether the image tower computes in bfloat16.
    """

    name: str
    model: nn.Module
    tokenizer: Any
    architecture: str
    geometry: Geometry
    mean: tuple[float, ...]
    std: tuple[float, ...]
    templates: tuple[str, ...]
    random: bool
    device: torch.device
    in_bf16: bool = False

    @cached_property
    def hash(self) -> str:
        """Hex sha256 (16 digits) over architecture, tokenizer, and names, shapes and values of all weights.

        The architecture counts since activation, masks and heads leave no trace in the weights, yet
        change what they compute; a tag may switch the activation on its own. What prepares images is told by
        `preprocessing`, which stands beside the hash wherever images count.
        """
        quick = any(type(module).__name__ == "QuickGELU" for module in self.model.modules())
        digest = hashlib.sha256(f"{quick}{self._layout}".encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()[:16]

    @property
    def _layout(self) -> str:
        """Configuration of the towers and the tokenizer, as one line that does not say where they lie."""
        architecture = json.loads(self.architecture)
        text = architecture.get("text_cfg", {})
        tokenizer = tokenizer_identity(self.tokenizer, text.get("context_length", _CONTEXT))
        tower = hugging_face_layout(self.model)
        if not (tokenizer or tower):
            return self.architecture
        for place in ("hf_model_name", "hf_tokenizer_name"):
            text.pop(place, None)
        return f"{json.dumps(architecture, sort_keys=True)}{tower}{tokenizer}"

    @property
    def logit_scale(self) -> float:
        """The learnt inverse softmax temperature of image-text cosines."""
        return float(cast(Tensor, self.model.logit_scale).detach().exp())

    @property
    def preprocessing(self) -> str:
        """All that turns an image into the model's input, as one line."""
        precision = " in bfloat16" if self.in_bf16 else ""
        return f"{self.geometry} mean {self.mean} std {self.std}{precision}"

    @property
    def image_tower(self) -> nn.Module:
        """Standardised images [N, 3, H, W] -> features [N, D]."""
        return cast(nn.Module, self.model.visual)

    def standardise(self, images: Tensor) -> Tensor:
        """Pixels [N, 3, H, W] in [0, 1] -> what the image tower wants."""
        mean, std = self._mean_and_std(images.device)
        return (images - mean) / std

    def as_seen(self, standardised: Tensor) -> Tensor:
        """The inverse of `standardise`."""
        mean, std = self._mean_and_std(standardised.device)
        return standardised * std + mean

    def _mean_and_std(self, device: torch.device) -> tuple[Tensor, Tensor]:
        mean = torch.tensor(self.mean, device=device).view(1, 3, 1, 1)
        return mean, torch.tensor(self.std, device=device).view(1, 3, 1, 1)

    def precision(self) -> AbstractContextManager[object]:
        """What the image tower computes in, as a context."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.in_bf16 else nullcontext()

    def forward_images(self, standardised: Tensor) -> Tensor:
        """Standardised images [N, 3, H, W] -> unit vectors float32 [N, D], with gradients to the images."""
        # Channels last in memory: convolutions are up to twice as fast.
        standardised = standardised.contiguous(memory_format=torch.channels_last)
        with self.precision():
            features = self.model.encode_image(standardised)  # type: ignore[operator]
        return F.normalize(features.float(), dim=-1)

    def encode_images(self, pixels: Pixels, progress: Progress | None = None) -> Tensor:
        """uint8 [N, H, W, 3] -> unit vectors, float32 [N, D], on the CPU."""

        def forward(images: Tensor) -> Tensor:
            return self.forward_images(self.standardise(images))

        return self._checked(encode_pixels(forward, pixels, self.device, progress), "images")

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str], progress: Progress | None = None) -> Tensor:
        """Texts -> unit vectors, float32 [N, D], on the CPU."""
        found = []
        tower = TextTower(self.model)
        for start in range(0, len(texts), _TEXTS):
            tokens = self.tokenizer(list(texts[start : start + _TEXTS])).to(self.device)
            if (largest := int(tokens.max())) >= (known := tower.embedding.num_embeddings):
                raise UserError(
                    f"the tokenizer of {self.name} gives token {largest}, and its text tower knows {known}; "
                    "give the tokenizer that belongs to these weights"
                )
            found.append(tower(tokens).cpu())
            if progress:
                progress(min(start + _TEXTS, len(texts)), len(texts))
        return self._checked(torch.cat(found), "texts")

    def _checked(self, vectors: Tensor, of_what: str) -> Tensor:
        """The vectors, if they have unit length. Raises `UserError` for NaN, and for zeros, which stay so."""
        wrong = ~((vectors.norm(dim=1) - 1).abs() < _UNIT)
        if wrong.any():
            raise UserError(
                f"encoder {self.name} gives no unit vectors (NaN or zeros) for {int(wrong.sum())} of "
                f"{len(vectors)} {of_what}; its weights are damaged or too large"
                + (" for bfloat16; give it without @bf16" if self.in_bf16 else "; give others")
            )
        return vectors

    def encode_classes(
        self, classes: Sequence[str], templates: Sequence[str], progress: Progress | None = None
    ) -> Tensor:
        """Unit vectors, float32 [C, D]: for each class the mean over its captions, made unit again.

        Radford et al. 2021 (CLIP), section 3.1.4.
        """
        features = self.encode_texts(captions_of(classes, templates), progress).view(
            len(classes), len(templates), -1
        )
        return F.normalize(features.mean(1), dim=-1)


def pooled(found: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Features [N, D] of what an image tower gives: CoCa's gives those of its patches beside them."""
    return found[0] if isinstance(found, tuple) else found


def images_at_once(height: int, width: int, device: torch.device) -> int:
    """How many images of a size (in pixels) are computed at once without gradients."""
    return min(_AT_ONCE, max(1, _PIXELS_AT_ONCE // (height * width))) if device.type == "cpu" else _AT_ONCE


def as_images(pixels: Tensor, device: torch.device) -> Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, H, W] in [0, 1], on the device."""
    return pixels.to(device).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def encode_pixels(
    forward: Callable[[Tensor], Tensor], pixels: Pixels, device: torch.device, progress: Progress | None
) -> Tensor:
    """uint8 [N, H, W, 3] through `forward` (pixels in [0, 1] -> features) in batches: [N, D] on the CPU.

    Batches become smaller where they do not fit in memory.
    """
    keep_freed_memory()
    found: list[Tensor] = []
    size, start = images_at_once(pixels.shape[1], pixels.shape[2], device), 0
    while start < len(pixels):
        batch = torch.from_numpy(np.require(pixels[start : start + size], requirements=("C", "W")))
        try:
            found.append(forward(as_images(batch, device)).cpu())
        except (MemoryError, RuntimeError) as error:
            if size == 1 or not out_of_memory(error):
                raise
            size = max(1, min(size, len(batch)) // 2)
            continue
        start += len(batch)
        if progress:
            progress(start, len(pixels))
    return torch.cat(found)
