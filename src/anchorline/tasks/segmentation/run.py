"""One method, backbone, suite and seed as jobs: the trials of its search, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.jobs import Job, Step
from anchorline.engine.progress import Narrator
from anchorline.errors import UserError
from anchorline.methods.selection import trials
from anchorline.suites.masks.sets import IGNORED
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.tasks.segmentation import runs
from anchorline.tasks.segmentation.architecture import Architecture, Decode
from anchorline.tasks.segmentation.backbones import Backbone
from anchorline.tasks.segmentation.methods import SegmentationMethod
from anchorline.tasks.segmentation.model import Segmenter
from anchorline.tasks.segmentation.problem import Masked, Segmentation
from anchorline.tasks.segmentation.runs import AdaptedSegmenter
from anchorline.training.loop import train
from anchorline.training.movement import write_movement
from anchorline.training.trial import Search, Trial, best_trial


@dataclass(frozen=True, eq=False)
class Run:
    """What `adapt` is asked for, and how it is done.

    Attributes:
        backbone, suite, method, seed: what is adapted, to what, how, with which random numbers.
        architecture: what stands on the backbone; its decoder suits both.
        directory: where the answer goes; None: nowhere.
        decode: reads images and masks, of the same sets again and again.
        narrator, trackers: who is told how training goes.
    """

    backbone: Backbone
    suite: SegmentationSuite
    method: SegmentationMethod
    seed: int
    architecture: Architecture
    directory: Path | None
    decode: Decode
    narrator: Narrator
    trackers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.method.check(self.backbone)

    @cached_property
    def request(self) -> dict[str, Any]:
        built = self.architecture
        learnt_from = {one.name: one.content_hash()[:16] for one in (self.suite.train, self.suite.val)}
        return runs.request(
            self.backbone, self.method, built.decoder, built.width, built.size, self.suite.classes,
            learnt_from, self.seed,
        )  # fmt: skip

    @cached_property
    def job(self) -> Job:
        assert self.directory is not None
        return runs.job_of(self.request, self.directory)

    @property
    def title(self) -> str:
        return f"{self.method.name}, seed {self.seed}"

    def steps(self) -> Iterator[Step]:
        """The trials, then the choice among them."""
        yield from self._search.steps(self.title, serves=self.job)
        yield Step(self.title, self.job, self._finish, tuple(self._search.jobs()), guarded=True)

    def segmenter(self) -> AdaptedSegmenter:
        """The answer, from the directory."""
        assert self.directory is not None
        return runs.load(self.directory, self.backbone)

    @cached_property
    def _trials(self) -> list[tuple[dict[str, Any], SegmentationMethod]]:
        """The values that are tried, by field, each with the row that has them."""
        return list(trials(self.method))

    @cached_property
    def _search(self) -> Search:
        values = [values for values, _ in self._trials]
        return Search(
            self.request, values, self.directory, self.backbone.device, self._train, lambda: self._images
        )

    def collect(self) -> AdaptedSegmenter:
        """The best of the trials on val."""
        outcomes = self._search.outcomes()
        best = self._search.trial(best_trial(outcomes))
        adapted = AdaptedSegmenter(
            backbone=self.backbone,
            classes=self.suite.classes,
            size=self.architecture.size,
            request=self.request,
            tuned=best.tuned,
            chosen=best.chosen,
            seconds=sum(one.seconds for one in outcomes),
            peak_memory=max(one.peak_memory for one in outcomes),
        )
        if self.directory:
            with main_process_first():
                if is_main_process():
                    write_movement(self.directory, best.movement)
                    runs.save(adapted, self.directory)
        return adapted

    def _finish(self) -> None:
        adapted = self.collect()
        self.narrator.say(f"{self.title}: adapted in {adapted.seconds:.1f} s")
        if is_main_process():
            self._search.clean()

    def _train(self, number: int, job: Job | None) -> Trial:
        values, method = self._trials[number]
        learn, choose = self._images
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
        trained = train(
            Segmentation(model, method.training, learn, choose),
            method.constraint, method.training,
            seed=self.seed, run=job.file.parent if job else None, identity=job.identity if job else "",
            progress=self.narrator.bar(title, "steps"), trackers=self.trackers,
        )  # fmt: skip
        chosen = {**values, "epoch": float(trained.epoch)}
        return Trial(trained.tuned, chosen, trained.val_score, trained.movement)

    @property
    def _images(self) -> tuple[Masked, Masked]:
        """Train and val. Raises `UserError` where one has no pixel with a class."""
        found = []
        for images in (self.suite.train, self.suite.val):
            read = self.decode(images)
            if read.masks.min() == IGNORED:
                raise UserError(
                    f"no pixel of {images.name} has a class: all are {IGNORED}, which is ignored; "
                    "give other masks"
                )
            found.append(read)
        return found[0], found[1]
