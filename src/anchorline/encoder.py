"""A pre-trained text-image encoder: the bundled one, or any that open_clip can load."""

from __future__ import annotations

import difflib
import hashlib
import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anchorline.captions import GENERAL_TEMPLATES, fill
from anchorline.errors import UserError
from anchorline.suites.decode import Geometry
from anchorline.suites.images import Progress
from anchorline.suites.rgb import Pixels

BUNDLED = "pictogram-clip"
_BUNDLED_DIR = Path(__file__).parent / "data" / BUNDLED
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Encoder:
    """An open_clip model with what belongs to it.

    Attributes:
        name: as the user gave it; `load_encoder(name)` gives it back.
        model: open_clip's CLIP or CustomTextCLIP, in float32, in evaluation mode.
        tokenizer: texts -> int64 [N, context length].
        geometry: how an image becomes pixels.
        mean, std: per channel, of pixels in [0, 1].
        templates: the captions to average for zero-shot weights, each with one `{}`.
        random: True if its weights were never trained.
        device: where the model lies.
    """

    name: str
    model: nn.Module
    tokenizer: Any
    geometry: Geometry
    mean: tuple[float, ...]
    std: tuple[float, ...]
    templates: tuple[str, ...]
    random: bool
    device: torch.device

    @cached_property
    def hash(self) -> str:
        """Hex sha256 (16 digits) over names, shapes and values of all weights: the anchor's identity.

        Activation and number of heads leave no trace in the weights, yet change what they compute.
        """
        modules = list(self.model.modules())
        quick = any(type(module).__name__ == "QuickGELU" for module in modules)
        heads = [module.num_heads for module in modules if hasattr(module, "num_heads")]
        digest = hashlib.sha256(f"{quick}{heads}".encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()[:16]

    @property
    def logit_scale(self) -> float:
        """The learnt inverse softmax temperature of image-text cosines."""
        return float(cast(Tensor, self.model.logit_scale).detach().exp())

    @property
    def preprocessing(self) -> str:
        """All that turns an image into the model's input, as one line."""
        return f"{self.geometry} mean {self.mean} std {self.std}"

    def normalise(self, pixels: Tensor) -> Tensor:
        """uint8 [N, H, W, 3] -> float32 [N, 3, H, W], as the image tower wants it."""
        x = pixels.to(self.device).permute(0, 3, 1, 2).float() / 255
        mean = torch.tensor(self.mean, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=self.device).view(1, 3, 1, 1)
        return (x - mean) / std

    @torch.inference_mode()
    def encode_images(self, pixels: Pixels, progress: Progress | None = None) -> Tensor:
        """uint8 [N, H, W, 3] -> unit vectors, float32 [N, D], on the CPU."""
        found = []
        for start in range(0, len(pixels), _BATCH):
            batch = torch.from_numpy(np.require(pixels[start : start + _BATCH], requirements=("C", "W")))
            features = self.model.encode_image(self.normalise(batch))  # type: ignore[operator]
            found.append(F.normalize(features.float(), dim=-1).cpu())
            if progress:
                progress(min(start + _BATCH, len(pixels)), len(pixels))
        return torch.cat(found)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str], progress: Progress | None = None) -> Tensor:
        """Texts -> unit vectors, float32 [N, D], on the CPU."""
        found = []
        for start in range(0, len(texts), _BATCH):
            tokens = self.tokenizer(list(texts[start : start + _BATCH])).to(self.device)
            features = self.model.encode_text(tokens)  # type: ignore[operator]
            found.append(F.normalize(features.float(), dim=-1).cpu())
            if progress:
                progress(min(start + _BATCH, len(texts)), len(texts))
        return torch.cat(found)

    def encode_classes(
        self, classes: Sequence[str], templates: Sequence[str], progress: Progress | None = None
    ) -> Tensor:
        """Unit vectors, float32 [C, D]: for each class the mean over its captions, made unit again.

        Radford et al. 2021 (CLIP), section 3.1.4.
        """
        captions = [fill(template, name) for name in classes for template in templates]
        features = self.encode_texts(captions, progress).view(len(classes), len(templates), -1)
        return F.normalize(features.mean(1), dim=-1)


def load_encoder(name: str = BUNDLED, device: str | torch.device | None = None) -> Encoder:
    """Load an encoder by name.

    `pictogram-clip` is in the package. Else `MODEL:TAG` or `MODEL:FILE` (an open_clip architecture
    with pre-trained weights, by tag or file), `hf-hub:OWNER/NAME`, or `local-dir:DIR`. `MODEL`
    alone gives random weights, always the same ones, and a loud warning.

    Raises `UserError`, which says what was tried and what works offline.
    """
    try:
        where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise UserError(f"unknown device {device!r}; give cpu, cuda, cuda:1 and so on") from error
    schema, architecture, weights = _parse(name)
    import open_clip  # takes seconds; commands that load no encoder need not wait

    tag = open_clip.get_pretrained_cfg(architecture, weights or "")
    with _quiet():
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                model = open_clip.create_model(
                    architecture,
                    pretrained=weights,
                    device=where,
                    # For ViT-B-32:openai and its like open_clip only warns that the activation is wrong.
                    force_quick_gelu=tag.get("quick_gelu", False),
                    require_pretrained=bool(schema or weights),
                )
            tokenizer = open_clip.get_tokenizer(architecture)
        # open_clip passes on whatever its sources raise; each means that this encoder is not to be had.
        except Exception as error:
            raise UserError(_explain(name, error)) from error
    config = open_clip.get_model_preprocess_cfg(model)
    random = not (schema or weights)
    if random:
        warnings.warn(
            f"{name} has RANDOM weights: good for tests and timing, worthless for everything else; "
            f"give {name}:TAG for pre-trained ones (anchorline encoders {name} lists the tags)",
            stacklevel=2,
        )
    size = config["size"]
    return Encoder(
        name=name,
        model=model.eval(),
        tokenizer=tokenizer,
        geometry=Geometry(
            size=(size, size) if isinstance(size, int) else (size[0], size[1]),
            resize=config["resize_mode"],
            interpolation=config["interpolation"],
            fill=config["fill_color"],
        ),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        templates=_templates(architecture),
        random=random,
        device=where,
    )


def _parse(name: str) -> tuple[str, str, str | None]:
    """schema ("" for an open_clip architecture), what open_clip calls it, weights."""
    import open_clip

    if name == BUNDLED:
        return "local-dir", f"local-dir:{_BUNDLED_DIR}", None
    schema, colon, rest = name.partition(":")
    if colon and schema in ("hf-hub", "local-dir"):
        if schema == "local-dir" and not (Path(rest) / "open_clip_config.json").is_file():
            raise UserError(
                f"{name}: {rest or 'the empty path'} holds no open_clip_config.json; "
                "give a directory as open_clip writes it (configuration and weights)"
            )
        return schema, name, None
    architecture = schema.replace("/", "-")  # ViT-B/32, as the papers write it
    if architecture not in open_clip.list_models():
        near = difflib.get_close_matches(schema, [BUNDLED, *open_clip.list_models()], n=3, cutoff=0.4)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise UserError(f"unknown encoder {name!r}{hint}; 'anchorline encoders' lists those that are known")
    if colon and not Path(rest).is_file():
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        if rest not in tags:
            raise UserError(
                f"encoder {schema} has no pre-trained weights {rest!r}; "
                + (f"its tags are {', '.join(tags)}; or give a file" if tags else "give a file with weights")
            )
    return "", architecture, rest or None


def _explain(name: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    return (
        f"encoder {name} could not be loaded{' (HF_HUB_OFFLINE is set)' if offline else ''}: {reason[:300]}; "
        f"without a network these work: {BUNDLED}, local-dir:DIR, MODEL:FILE, and what the Hugging Face "
        "cache already holds"
    )


def _templates(architecture: str) -> tuple[str, ...]:
    """The encoder's own templates, if its directory names them."""
    if architecture.startswith("local-dir:"):
        config = Path(architecture.removeprefix("local-dir:")) / "open_clip_config.json"
        own = json.loads(config.read_text()).get("anchorline", {}).get("templates")
        if own:
            return tuple(own)
    return GENERAL_TEMPLATES


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip logs what we say ourselves."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(before)
