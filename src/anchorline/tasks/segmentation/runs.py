"""Run directories of segmentation: one method, one suite, one seed, on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

import anchorline
from anchorline.checkpoints import write_tensors, write_text
from anchorline.choices import to_json
from anchorline.errors import UserError
from anchorline.provenance import commit
from anchorline.runs import CONFIGURATION, TENSORS, configuration_hash
from anchorline.tasks.segmentation.backbones import Backbone, load_backbone
from anchorline.tasks.segmentation.methods import SegmentationMethod
from anchorline.tasks.segmentation.model import Segmenter

FORMAT, TASK = 1, "segmentation"  # raise the first when the same request would no longer give the same


@dataclass(frozen=True, eq=False)
class AdaptedSegmenter:
    """A backbone with the decoder that a method has trained, and what of the backbone it changed.

    Attributes:
        backbone: pre-trained, as it was.
        classes: names; masks hold indices into them.
        size: height and width at which it was trained and computes.
        request: all that decided the training, as JSON values; see `request`.
        tuned: the trained tensors, by name.
        chosen: what val has chosen, by field.
        seconds, peak_memory: of the training with its trials; seconds, MiB.
    """

    backbone: Backbone
    classes: tuple[str, ...]
    size: tuple[int, int]
    request: dict[str, Any]
    tuned: dict[str, Tensor]
    chosen: dict[str, float]
    seconds: float
    peak_memory: float

    @property
    def method(self) -> str:
        return str(self.request["method"]["name"])

    @property
    def seed(self) -> int:
        return int(self.request["seed"])

    @property
    def parameters(self) -> int:
        """How many numbers were trained."""
        return sum(tensor.numel() for tensor in self.tuned.values())

    @cached_property
    def model(self) -> Segmenter:
        """The network with the trained tensors in it, on the backbone's device."""
        return self.build()

    def build(self) -> Segmenter:
        """A new copy of the network with the trained tensors in it."""
        asked = self.request
        model = Segmenter(
            self.backbone,
            asked["decoder"],
            len(self.classes),
            parameters=tuple(asked["method"]["parameters"]),
            width=asked["width"],
            seed=asked["seed"],
        )
        model.put(self.tuned)
        return model


@torch.no_grad()
def logits_of(model: Segmenter, images: Tensor) -> Tensor:
    """Pixels in [0, 1], float32 [N, 3, H, W] -> float32 [N, C, H, W] on the device of the backbone."""
    device = model.backbone.device
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        logits: Tensor = model(images.to(device))
    return logits.float()


def request(
    backbone: Backbone,
    method: SegmentationMethod,
    decoder: str,
    width: int,
    size: tuple[int, int],
    classes: tuple[str, ...],
    learnt_from: dict[str, str],
    seed: int,
) -> dict[str, Any]:
    """All that decides what adapting gives, as plain JSON values."""
    asked = {
        "format": FORMAT,
        "task": TASK,
        "backbone": backbone.name,
        "weights": backbone.weights,
        "backbone_hash": backbone.hash,
        "preprocessing": f"mean {backbone.mean} std {backbone.std}",
        "decoder": method.decoder or decoder,
        "width": width,
        "size": list(size),
        "train": learnt_from,
        "method": to_json(method),
        "seed": seed,
        "classes": list(classes),
    }
    return dict(json.loads(json.dumps(asked)))  # as it is read back: lists for tuples


def save(adapted: AdaptedSegmenter, run: Path) -> None:
    """Write the run directory: tuned tensors and, last, the configuration. Raises `UserError`."""
    (run / CONFIGURATION).unlink(missing_ok=True)  # never beside the tensors of another request
    write_tensors(run / TENSORS, adapted.tuned)
    facts = {
        "anchorline": anchorline.__version__,
        "commit": commit(),
        "configuration_hash": configuration_hash(adapted.request),
        **adapted.request,
        "chosen": adapted.chosen,
        "seconds": adapted.seconds,
        "peak_memory": adapted.peak_memory,
    }
    write_text(run / CONFIGURATION, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def is_segmentation_run(run: str | Path) -> bool:
    """Whether a directory holds a run of segmentation."""
    try:
        facts = json.loads((Path(run) / CONFIGURATION).read_text(encoding="utf-8"))
        return isinstance(facts, dict) and facts.get("task") == TASK
    except (OSError, ValueError):
        return False


def load(run: str | Path, backbone: Backbone | None = None, device: str | None = None) -> AdaptedSegmenter:
    """The segmenter of a run directory. `backbone` saves loading it again, onto `device`.

    Raises `UserError` if the directory is no run of segmentation, or the backbone is another.
    """
    run = Path(run)
    try:
        facts = json.loads((run / CONFIGURATION).read_text(encoding="utf-8"))
        if facts["task"] != TASK:
            raise ValueError(f"its task is {facts['task']}")
        tensors = {name: tensor.clone() for name, tensor in load_file(run / TENSORS).items()}
        rest = {name: facts.pop(name) for name in ("chosen", "seconds", "peak_memory")}
        asked = {n: v for n, v in facts.items() if n not in ("anchorline", "commit", "configuration_hash")}
        classes, (height, width) = tuple(facts["classes"]), facts["size"]
        name, weights, anchor = facts["backbone"], facts["weights"], facts["backbone_hash"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(
            f"{run} is not a run of segmentation that anchorline wrote ({error}); give a directory "
            f"OUT/runs/METHOD/seed-SEED of 'anchorline segment'"
        ) from error
    backbone = backbone or load_backbone(name, weights, device)
    if backbone.hash != anchor:
        raise UserError(
            f"{run} was adapted from {name} with hash {anchor}, but {backbone.name} has hash "
            f"{backbone.hash}; give the weights that it was adapted from"
        )
    return AdaptedSegmenter(backbone, classes, (height, width), asked, tensors, **rest)
