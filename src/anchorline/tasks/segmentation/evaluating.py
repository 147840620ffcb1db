"""All segmenters on all sets: a set is decoded once, passes through each once, and the counts are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from anchorline.classifier.runs import configuration_hash
from anchorline.engine.distributed import is_main_process
from anchorline.engine.progress import Narrator
from anchorline.engine.storage import read_tensors, write_tensors
from anchorline.suites.masks.sets import MaskedSet
from anchorline.tasks.segmentation.adapting import Decode
from anchorline.tasks.segmentation.iou import counts_of
from anchorline.tasks.segmentation.model import Segmenter
from anchorline.tasks.segmentation.problem import Masked, evaluation_batch
from anchorline.tasks.segmentation.runs import AdaptedSegmenter, Networks

COUNTS = "counts.safetensors"

Sets = Mapping[str, Mapping[str, MaskedSet]]  # by role ("test", "shift", "corruption"), by name
Measured = dict[str, Tensor]  # counts [N, C, 3] by the name of a set; see `counted`


def measure_all(
    segmenters: Sequence[AdaptedSegmenter], runs: Sequence[Path], sets: Sets, decode: Decode,
    narrator: Narrator,
) -> list[Measured]:  # fmt: skip
    """Counts of each segmenter on each set; kept in its run directory, and not measured again."""
    kept = [_Kept(run, one) for run, one in zip(runs, segmenters, strict=True)]
    networks = Networks()
    every = [images for own in sets.values() for images in own.values()]
    bar = narrator.bar("measuring", "sets")
    for number, images in enumerate(every, 1):
        missing = [(one, own) for one, own in zip(segmenters, kept, strict=True) if not own.has(images)]
        if missing:
            _measure(missing, images, decode(images), networks)  # its pixels go with the call
        bar(number, len(every))
    return [own.counts for own in kept]


def _measure(
    missing: Sequence[tuple[AdaptedSegmenter, _Kept]], images: MaskedSet, read: Masked, networks: Networks
) -> None:
    for one, own in missing:
        model, classes = networks.of(one), len(one.classes)

        def predict(pixels: Tensor, one: AdaptedSegmenter = one, model: Segmenter = model) -> Tensor:
            return one.logits(pixels, model).argmax(1)

        batch = evaluation_batch(classes, *one.size)
        own.put(images, counts_of(predict, read.images, read.masks, classes, batch))


class _Kept:
    """The counts of one segmenter, on disk beside it: of sets with the content that they had."""

    def __init__(self, run: Path, segmenter: AdaptedSegmenter) -> None:
        self.file, self.identity = run / COUNTS, configuration_hash(segmenter.request)
        self.counts: Measured = {}
        self._before, facts = read_tensors(self.file) or ({}, {})
        self._hashes: dict[str, str] = facts["sets"] if facts.get("identity") == self.identity else {}

    def has(self, images: MaskedSet) -> bool:
        if self._hashes.get(images.name) != images.content_hash():
            return False
        self.counts[images.name] = self._before[images.name]
        return True

    def put(self, images: MaskedSet, counts: Tensor) -> None:
        self.counts[images.name] = self._before[images.name] = counts
        self._hashes[images.name] = images.content_hash()
        if is_main_process():
            tensors = {name: self._before[name] for name in self._hashes}
            write_tensors(self.file, tensors, {"identity": self.identity, "sets": self._hashes})
