"""One method, backbone, suite and seed as jobs: the trials of its search, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.jobs import Job, Step, identity_of
from anchorline.engine.progress import Narrator
from anchorline.errors import UserError
from anchorline.methods.selection import best_of, trials
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
from anchorline.training.trial import Trial, read_trial, tried


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
    _tried: dict[int, Trial] = field(default_factory=dict)

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
        jobs = [self._trial_job(number) for number in range(len(self.trials))]
        for number, job in enumerate(jobs):
            yield Step(self.title, job, partial(self._try, number), serves=self.job)
        yield Step(self.title, self.job, self._finish, tuple(jobs), guarded=True, after=self._tried.clear)

    def segmenter(self) -> AdaptedSegmenter:
        """The answer, from the directory."""
        assert self.directory is not None
        return runs.load(self.directory, self.backbone)

    @cached_property
    def trials(self) -> list[tuple[dict[str, Any], SegmentationMethod]]:
        """The values that are tried, by field, each with the row that has them."""
        return list(trials(self.method))

    def collect(self) -> AdaptedSegmenter:
        """The best of the trials on val."""
        found = [self._try(number) for number in range(len(self.trials))]
        best = best_of(found, Trial.scored)
        adapted = AdaptedSegmenter(
            backbone=self.backbone,
            classes=self.suite.classes,
            size=self.architecture.size,
            request=self.request,
            tuned=best.tuned,
            chosen=best.chosen,
            seconds=sum(one.seconds for one in found),
            peak_memory=max(one.peak_memory for one in found),
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
        assert self.directory is not None
        if is_main_process():
            for number in range(len(self.trials)):  # have served; their metrics stay
                self._trial_job(number).file.unlink(missing_ok=True)

    def _trial_job(self, number: int) -> Job:
        assert self.directory is not None
        asked = {**self.job.request, "trial": self.trials[number][0]}
        return Job(asked, self.directory / f"trial-{number}" / f"trial-{identity_of(asked)}.safetensors")

    def _try(self, number: int) -> Trial:
        """The answer of a trial, which is trained where there is none. Raises no `DivergedError`."""
        if number not in self._tried:
            job = self._trial_job(number) if self.directory else None
            found = read_trial(job) if job else None
            if found is None:
                learn, choose = self._images  # read before the clock runs
                train = partial(self._train, number, job, learn, choose)
                found = tried(train, self.backbone.device, job)
            self._tried[number] = found
        return self._tried[number]

    def _train(self, number: int, job: Job | None, learn: Masked, choose: Masked) -> Trial:
        values, method = self.trials[number]
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
            Segmentation(model, method.training.augmentation, learn, choose, method.training.precision),
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
