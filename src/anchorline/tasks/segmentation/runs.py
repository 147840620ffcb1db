"""Run directories of segmentation: one method, one suite, one seed, on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from anchorline.classifier.runs import CONFIGURATION, TENSORS, no_run
from anchorline.engine.jobs import Job, read_json
from anchorline.engine.storage import write_tensors
from anchorline.errors import UserError
from anchorline.methods.settings import from_json, identifying, to_json
from anchorline.tasks.segmentation.backbones import Backbone, load_backbone
from anchorline.tasks.segmentation.methods import SegmentationMethod
from anchorline.tasks.segmentation.model import Precision, Segmenter, logits_of
from anchorline.version import __version__, commit

FORMAT, TASK = 3, "segmentation"  # raise the first when the same request would no longer give the same


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
    tuned: Mapping[str, Tensor]
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
        return Networks().of(self)

    def logits(self, images: Tensor, model: Segmenter | None = None) -> Tensor:
        """Pixels in [0, 1], float32 [N, 3, H, W] -> float32 [N, C, H, W], as training computed them.

        `model` has the trained tensors in it already; left out: this segmenter's own.
        """
        precision = cast(Precision, self.request["method"]["training"]["precision"])
        return logits_of(model or self.model, images, precision)


class Networks:
    """One network a decoder, which holds the tensors of one segmenter after the other: for many at once."""

    def __init__(self) -> None:
        self._built: dict[tuple[str, int], Segmenter] = {}

    def of(self, segmenter: AdaptedSegmenter) -> Segmenter:
        """The network with these trained tensors, until the next call."""
        decoder, width = segmenter.request["decoder"], segmenter.request["width"]
        if (decoder, width) not in self._built:
            built = Segmenter(segmenter.backbone, decoder, len(segmenter.classes), width=width)
            self._built[decoder, width] = built
        model = self._built[decoder, width]
        model.put({**model.anchors(), **segmenter.tuned})
        return model


class Stored(Mapping[str, Tensor]):
    """The tensors of a file by name, each read when it is asked for."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with safe_open(file, framework="pt") as stored:
            self._names = tuple(stored.keys())

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        with safe_open(self.file, framework="pt") as stored:
            return cast(Tensor, stored.get_tensor(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


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


def job_of(asked: dict[str, Any], run: Path) -> Job:
    """The job whose answer a segmenter is, in a run directory; config.json there holds the whole row."""
    method = identifying(from_json(asked["method"], SegmentationMethod))
    return Job({**asked, "method": method}, run / CONFIGURATION)


def save(adapted: AdaptedSegmenter, run: Path) -> None:
    """Write the run directory: tuned tensors and, last, the configuration. Raises `UserError`."""
    (run / CONFIGURATION).unlink(missing_ok=True)  # never beside the tensors of another request
    write_tensors(run / TENSORS, dict(adapted.tuned))
    job_of(adapted.request, run).put({
        **adapted.request,
        "anchorline": __version__,
        "commit": commit(),
        "chosen": adapted.chosen,
        "seconds": adapted.seconds,
        "peak_memory": adapted.peak_memory,
    })  # fmt: skip


def is_segmentation_run(run: str | Path) -> bool:
    """Whether a directory holds a run of segmentation."""
    return bool(read_json(Path(run) / CONFIGURATION).get("task") == TASK)


def load(
    run: str | Path, backbone: Backbone | None = None, device: str | None = None, *, stored: bool = False
) -> AdaptedSegmenter:
    """The segmenter of a run directory. `backbone` saves loading it again, onto `device`. The tensors of a
    `stored` one stay on disk, and each is read when it is used.

    Raises `UserError` if the directory is no run of segmentation, or the backbone is another.
    """
    run = Path(run)
    try:
        facts = json.loads((run / CONFIGURATION).read_text(encoding="utf-8"))
        if facts["task"] != TASK:
            raise ValueError(f"its task is {facts['task']}")
        tensors: Mapping[str, Tensor] = (
            Stored(run / TENSORS)
            if stored
            else {name: tensor.clone() for name, tensor in load_file(run / TENSORS).items()}
        )
        rest = {name: facts.pop(name) for name in ("chosen", "seconds", "peak_memory")}
        asked = {n: v for n, v in facts.items() if n not in ("anchorline", "commit", "configuration_hash")}
        classes, (height, width) = tuple(facts["classes"]), facts["size"]
        name, weights, anchor = facts["backbone"], facts["weights"], facts["backbone_hash"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise no_run(run, error, "run of segmentation") from error
    backbone = backbone or load_backbone(name, weights, device)
    if backbone.hash != anchor:
        raise UserError(
            f"{run} was adapted from {name} with hash {anchor}, but {backbone.name} has hash "
            f"{backbone.hash}; give the weights that it was adapted from"
        )
    return AdaptedSegmenter(backbone, classes, (height, width), asked, tensors, **rest)
