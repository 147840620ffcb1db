"""`adapt`: one method, one backbone, one suite of scenes with masks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from anchorline.engine.jobs import do_all
from anchorline.engine.progress import Narrator, Silent
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.tasks.claiming import claim_run
from anchorline.tasks.segmentation.architecture import Architecture, Decode, decoder_of
from anchorline.tasks.segmentation.backbones import Backbone
from anchorline.tasks.segmentation.methods import SegmentationMethod
from anchorline.tasks.segmentation.run import Run
from anchorline.tasks.segmentation.runs import AdaptedSegmenter


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
    built = (architecture or Architecture()).on(backbone, method.decoder)
    decode = decode or cache(decoder_of(built.size, narrator))
    work = Run(backbone, suite, method, seed, built, run, decode, narrator, trackers)
    if run is None:
        return work.collect()
    claim_run(run, "segmentation run", work.job, overwrite, narrator)
    do_all(work.steps(), narrator)
    return work.segmenter()
