"""`adapt`: one method, one backbone, one suite of scenes with masks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from anchorline.classifier.runs import configuration_hash, finished, holds_another
from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.memory import peak_memory, reset_peak
from anchorline.engine.progress import Narrator, Silent
from anchorline.errors import UserError
from anchorline.methods.selection import ValScore, best_of, trials
from anchorline.suites.images.decode import MEMORY_LIMIT
from anchorline.suites.masks.sets import IGNORED, MaskedSet
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.tasks.segmentation import runs
from anchorline.tasks.segmentation.backbones import Backbone
from anchorline.tasks.segmentation.decoders import DECODERS, find_decoder
from anchorline.tasks.segmentation.methods import SegmentationMethod
from anchorline.tasks.segmentation.model import Segmenter
from anchorline.tasks.segmentation.problem import Masked, Segmentation
from anchorline.tasks.segmentation.runs import AdaptedSegmenter
from anchorline.training.loop import Trained, train
from anchorline.training.movement import write_movement


@dataclass(frozen=True)
class Architecture:
    """What stands on the backbone.

    Attributes:
        decoder: a name in `DECODERS`; "": the first that can read the backbone.
        width: channels of the decoder.
        size: height and width, in pixels, at which images are learnt and measured.
    """

    decoder: str = ""
    width: int = 32
    size: tuple[int, int] = (128, 128)

    def on(self, backbone: Backbone) -> Architecture:
        """The same with a decoder that can read the backbone.

        Raises `UserError` if the named one cannot, or it has no such width, or they compute no such size.
        """
        fits = next(one.name for one in DECODERS.values() if backbone.kind in one.kinds)
        decoder = find_decoder(self.decoder or fits, backbone)
        decoder.check(backbone, self.width, self.size)
        return replace(self, decoder=decoder.name)


Decode = Callable[[MaskedSet], Masked]


def decoder_of(size: tuple[int, int], narrator: Narrator, memory_limit: int = MEMORY_LIMIT) -> Decode:
    """Reads a set at a size; what takes more than `memory_limit` bytes lies in temporary files."""

    def decode(images: MaskedSet) -> Masked:
        bar = narrator.bar(f"{images.name}, decoding")
        arrays = images.decoded(*size, memory_limit=memory_limit, progress=bar)
        return Masked(*map(torch.from_numpy, arrays))

    return decode


def adapt(
    backbone: Backbone,
    suite: SegmentationSuite,
    method: SegmentationMethod,
    seed: int = 0,
    *,
    architecture: Architecture | None = None,
    run: Path | None = None,
    decode: Decode | None = None,
    narrator: Narrator | None = None,
    trackers: tuple[str, ...] = (),
    overwrite: bool = False,
) -> AdaptedSegmenter:
    """Train a new decoder, and of the backbone what the method trains; learns from `train`, chooses on `val`.

    With `run`, the state of training is kept there and the same call goes on from it, on a CPU to the same
    bits (some kernels of GPUs are not deterministic); at the end it is a run directory (see `runs.load`),
    which the same call gives back. A finished run of another request is refused, unless `overwrite` says to
    replace it. Raises `UserError` for a method, decoder, width or size that does not suit the backbone,
    unreadable images, a diverging loss, a full disk.
    """
    narrator = narrator or Silent()
    built = architecture or Architecture()
    built = replace(built, decoder=method.decoder or built.decoder).on(backbone)
    method.check(backbone)
    decode = decode or decoder_of(built.size, narrator)
    learnt_from = {one.name: one.content_hash()[:16] for one in (suite.train, suite.val)}
    asked = runs.request(
        backbone, method, built.decoder, built.width, built.size, suite.classes, learnt_from, seed
    )
    if run and finished(run, asked):
        return runs.load(run, backbone)
    if run and holds_another(run, asked):
        if not overwrite:
            raise UserError(
                f"{run} holds a finished run with other settings or images; give another directory with "
                "--out, or take it away"
            )
        narrator.say(f"note: {run} held a run with other settings or images, which this one replaces")
    work = _Work(backbone, built, suite, seed, run, configuration_hash(asked), decode, narrator, trackers)
    learn, choose = decode(suite.train), decode(suite.val)
    for name, images in (("train", learn), ("val", choose)):
        if images.masks.min() == IGNORED:
            raise UserError(
                f"no pixel of {name} has a class: all are {IGNORED}, which is ignored; give other masks"
            )
    begun = time.perf_counter()
    reset_peak(backbone.device)
    trained, chosen = work.best(method, learn, choose)
    adapted = AdaptedSegmenter(
        backbone=backbone,
        classes=suite.classes,
        size=built.size,
        request=asked,
        tuned=trained.tuned,
        chosen={**chosen, "epoch": float(trained.epoch)},
        seconds=time.perf_counter() - begun,
        peak_memory=peak_memory(backbone.device),
    )
    with main_process_first():
        if run and is_main_process():
            write_movement(run, trained.movement)
            runs.save(adapted, run)
            for state in run.glob("trial-*/checkpoint.safetensors"):  # have served; their metrics stay
                state.unlink()
    return adapted


@dataclass(frozen=True, eq=False)
class _Work:
    backbone: Backbone
    architecture: Architecture
    suite: SegmentationSuite
    seed: int
    run: Path | None
    identity: str
    decode: Decode
    narrator: Narrator
    trackers: tuple[str, ...]

    def best(
        self, method: SegmentationMethod, learn: Masked, choose: Masked
    ) -> tuple[Trained, dict[str, float]]:
        """The trial of the method's search that does best on val; ties go to the first."""

        def result(
            trial: tuple[int, tuple[dict[str, Any], SegmentationMethod]],
        ) -> tuple[ValScore, tuple[Trained, dict[str, float]]]:
            number, (values, row) = trial
            trained = self._train(row, number, values, learn, choose)
            return trained.val_score, (trained, values)

        return best_of(enumerate(trials(method)), result)

    def _train(
        self, method: SegmentationMethod, number: int, values: dict[str, Any], learn: Masked, choose: Masked
    ) -> Trained:
        model = Segmenter(
            self.backbone,
            self.architecture.decoder,
            len(self.suite.classes),
            parameters=method.parameters,
            layer_decay=method.layer_decay,
            width=self.architecture.width,
            seed=self.seed,
        )
        title = " ".join([method.name, *(f"{path.split('.')[-1]}={v:g}" for path, v in values.items())])
        return train(
            Segmentation(model, method.training.augmentation, learn, choose, method.training.precision),
            method.constraint,
            method.training,
            seed=self.seed,
            run=self.run / f"trial-{number}" if self.run else None,
            identity=self.identity,
            progress=self.narrator.bar(title, "steps"),
            trackers=self.trackers,
        )
