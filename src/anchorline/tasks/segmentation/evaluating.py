"""All segmenters on all sets: a set is decoded once, passes through each once, and the counts are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from anchorline.engine.distributed import is_main_process
from anchorline.engine.jobs import Job, Step, identity_of
from anchorline.suites.masks.sets import MaskedSet
from anchorline.tasks.comparison import ANSWERS
from anchorline.tasks.segmentation.architecture import Decode
from anchorline.tasks.segmentation.iou import counts_of
from anchorline.tasks.segmentation.model import Segmenter
from anchorline.tasks.segmentation.problem import Masked, evaluation_batch
from anchorline.tasks.segmentation.runs import AdaptedSegmenter, Networks

FORMAT = 1  # raise it when the same masks would no longer give the same counts

Sets = Mapping[str, Mapping[str, MaskedSet]]  # by role ("test", "shift", "corruption"), by name


def counts_job(run: Path, identity: str, images: MaskedSet) -> Job:
    """The question how many pixels of a set a run, of this identity, gets right."""
    asked = {"format": FORMAT, "run": identity, "images": images.content_hash()}
    return Job(asked, run / ANSWERS / f"counts-{identity_of(asked)}.safetensors")


def read_counts(job: Job) -> Tensor | None:
    """Counts [N, C, 3], see `counts_of`, if they are there."""
    answer = job.answer()
    return answer.tensors["counts"] if answer else None


@dataclass(eq=False)
class Measuring:
    """Measures segmenters on sets; memory holds the pixels of one set, and one network.

    Attributes:
        decode: reads a set.
    """

    decode: Decode
    _networks: Networks
    _last: tuple[MaskedSet, Masked] | None = None

    def steps(
        self, segmenters: Sequence[tuple[str, Job, AdaptedSegmenter]], sets: Sequence[MaskedSet]
    ) -> Iterator[Step]:
        """Set by set; `segmenters`: titles, jobs and answers of runs."""
        for images in sets:
            for title, run, one in segmenters:
                job = counts_job(run.file.parent, run.identity, images)
                yield Step(f"{title} on {images.name}", job, partial(self._measure, one, images, job))

    def _measure(self, one: AdaptedSegmenter, images: MaskedSet, job: Job) -> None:
        if self._last is None or self._last[0] is not images:
            self._last = None  # go, before there are others
            self._last = images, self.decode(images)
        read, model, classes = self._last[1], self._networks.of(one), len(one.classes)

        def predict(pixels: Tensor, one: AdaptedSegmenter = one, model: Segmenter = model) -> Tensor:
            return one.logits(pixels, model).argmax(1)

        batch = evaluation_batch(classes, *one.size)
        counts = counts_of(predict, read.images, read.masks, classes, batch)
        if is_main_process():
            job.put({"set": images.name}, {"counts": counts})
