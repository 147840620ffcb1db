"""One method, suite and seed as jobs: the trials of its search, and the choice among them."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anchorline.classifier import runs
from anchorline.classifier.adapted import AdaptedClassifier, Classifier
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.feature_files import Features
from anchorline.encoders.features import FeatureStore
from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.jobs import Job, Step, identity_of
from anchorline.engine.memory import peak_memory, reset_peak
from anchorline.engine.progress import Narrator
from anchorline.errors import UserError
from anchorline.methods.blends import ALPHAS
from anchorline.methods.selection import LOWEST, best_of, trials, val_score
from anchorline.methods.settings import validate
from anchorline.methods.table import Method
from anchorline.methods.tunables import Labelled, Pretrained
from anchorline.metrics import scores
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.problem import Classification, Examples
from anchorline.training.loop import train
from anchorline.training.movement import write_movement
from anchorline.training.trial import Trial, read_trial, tried


@dataclass(frozen=True, eq=False)
class Run:
    """What `adapt` is asked for, and how it is done.

    Attributes:
        encoder, suite, method, seed: what is adapted, to what, how, with which random numbers.
        store: decoded images and features.
        directory: where the answer goes; None: nowhere.
        narrator, trackers: who is told how training goes.
        trained: a classifier whose training this run can use, where there is one.
        needs: the jobs whose answers `trained` reads.
    """

    encoder: Encoder
    suite: Suite
    method: Method
    seed: int
    store: FeatureStore
    directory: Path | None
    narrator: Narrator
    trackers: tuple[str, ...] = ()
    trained: Callable[[], AdaptedClassifier] | None = None
    needs: tuple[Job, ...] = ()
    _made: list[AdaptedClassifier] = field(default_factory=list)  # what `collect` gave, until it is let go
    _tried: dict[int, Trial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        validate(self.method)

    @cached_property
    def request(self) -> dict[str, Any]:
        learnt_from = runs.learnt_from(self.suite)
        return runs.request(self.encoder, self.method, self.suite.classes, learnt_from, self.seed)

    @cached_property
    def job(self) -> Job:
        assert self.directory is not None
        return Job(self.request, self.directory / runs.CONFIGURATION)

    @property
    def title(self) -> str:
        return f"{self.method.name}, seed {self.seed}"

    def same_but_method(self, request: Mapping[str, Any]) -> bool:
        return {**request, "method": self.request["method"]} == self.request

    def steps(self) -> Iterator[Step]:
        """The trials that no classifier spares, then the choice among them."""
        numbers = range(0 if self.trained else len(self.trials))
        jobs = [self._trial_job(number) for number in numbers]
        for number, job in zip(numbers, jobs, strict=True):
            yield Step(self.title, job, partial(self._try, number), serves=self.job)
        yield Step(self.title, self.job, self._finish, (*jobs, *self.needs), guarded=True)

    def classifier(self) -> AdaptedClassifier:
        """The answer, out of memory or from the directory."""
        assert self.directory is not None
        return self._made[0] if self._made else runs.load(self.directory, self.encoder)

    def let_go(self) -> None:
        """Keep nothing in memory any more."""
        self._made.clear()
        self._tried.clear()
        self.__dict__.pop("_pretrained", None)  # with the features of train and val

    @cached_property
    def trials(self) -> list[tuple[dict[str, Any], Method]]:
        """The values that are tried, by field, each with the row that has them; empty where nothing is
        trained."""
        return list(trials(self.method)) if self.method.training else []

    def collect(self) -> AdaptedClassifier:
        """The best of the trials on val, its blend chosen, with its threshold."""
        seconds = self._prepared
        reset_peak(self.encoder.device)
        if self.trained:
            before = self.trained()
            best = Trial(before.tuned, {n: v for n, v in before.chosen.items() if n != "alpha"})
            seconds, peak = before.seconds, before.peak_memory
        elif self.trials:
            found = [self._try(number) for number in range(len(self.trials))]
            best = best_of(found, Trial.scored)
            seconds += sum(one.seconds for one in found)
            peak = max(one.peak_memory for one in found)
        else:
            adaptation = self.method.tunable.start(self._pretrained)
            best, peak = Trial(adaptation.tuned(), adaptation.chosen), 0.0
        begun = time.perf_counter()
        classifier = Classifier(
            encoder=self.encoder,
            method=self.method,
            classes=self.suite.classes,
            templates=self._pretrained.templates,
            captions=self._pretrained.captions,
            tuned=best.tuned,
            alpha=self.method.blend.alpha or 0.0,
            seed=self.seed,
        )
        chosen = best.chosen
        if self.method.blend.alpha is None:
            classifier = self._blended(classifier)
            chosen = {**chosen, "alpha": classifier.alpha}
        made = AdaptedClassifier.of(
            classifier,
            learnt_from=self.request["train"],
            chosen=chosen,
            seconds=seconds + time.perf_counter() - begun,
            threshold=self._threshold(classifier),
            peak_memory=max(peak, peak_memory(self.encoder.device)),
        )
        if self.directory:
            with main_process_first():
                if is_main_process():
                    write_movement(self.directory, best.movement)
                    runs.save(made, self.directory)
        return made

    def _finish(self) -> None:
        self._made.append(self.collect())
        assert self.directory is not None
        if is_main_process():
            for number in range(len(self.trials)):  # have served; their metrics stay
                self._trial_job(number).file.unlink(missing_ok=True)

    def _trial_job(self, number: int) -> Job:
        assert self.directory is not None
        asked = {**self.request, "trial": self.trials[number][0]}
        return Job(asked, self.directory / f"trial-{number}" / f"trial-{identity_of(asked)}.safetensors")

    def _try(self, number: int) -> Trial:
        """The answer of a trial, which is trained where there is none. Raises no `DivergedError`."""
        if number not in self._tried:
            job = self._trial_job(number) if self.directory else None
            self._tried[number] = (job and read_trial(job)) or tried(
                lambda: self._train(number, job), self.encoder.device, job
            )
        return self._tried[number]

    def _train(self, number: int, job: Job | None) -> Trial:
        values, method = self.trials[number]
        assert method.training is not None
        assert method.objective is not None
        adaptation = method.tunable.start(self._pretrained)
        title = " ".join([method.name, *(f"{path.split('.')[-1]}={v:g}" for path, v in values.items())])
        problem = Classification(
            adaptation, method.objective, method.training.augmentation,
            train=self._examples(self.suite.train, adaptation.changes_images),
            val=self._examples(self.suite.val, adaptation.changes_images),
        )  # fmt: skip
        trained = train(
            problem, method.constraint, method.training,
            seed=self.seed, run=job.file.parent if job else None, identity=job.identity if job else "",
            progress=self.narrator.bar(title, "steps"), trackers=self.trackers,
        )  # fmt: skip
        chosen = {**adaptation.chosen, **values, "epoch": float(trained.epoch)}
        return Trial(trained.tuned, chosen, trained.val_score, trained.movement)

    @cached_property
    def _prepared(self) -> float:
        """Seconds that captions and features have taken; images are decoded before the clock runs."""
        captions = self.store.classes(self.encoder, self.suite.classes, self._pretrained.templates)
        seconds = captions.seconds
        if self.method.tunable.trains:
            seconds += sum(self._features(images).seconds for images in (self.suite.train, self.suite.val))
        return seconds

    @cached_property
    def _pretrained(self) -> Pretrained:
        templates = runs.templates_of(self.encoder, self.method)
        if self.method.training and self.method.tunable.changes_images and not self.trained:
            for images in (self.suite.train, self.suite.val):
                bar = self.narrator.bar(f"{images.name}, decoding")
                self.store.pixels(self.encoder.geometry, images, bar)
        return Pretrained(
            self.encoder,
            self.suite.classes,
            templates,
            self.store.classes(self.encoder, self.suite.classes, templates).vectors,
            self.seed,
            train=_labelled(self.suite.train, self._features(self.suite.train)),
            val=_labelled(self.suite.val, self._features(self.suite.val)),
        )

    def _features(self, images: ImageSet) -> Features:
        return self.store.images(self.encoder, images)

    def _examples(self, images: ImageSet, pixels: bool) -> Examples:
        labels = torch.from_numpy(images.labels)
        if pixels:
            inputs = torch.from_numpy(self.store.pixels(self.encoder.geometry, images)[0])
        else:
            inputs = self._features(images).vectors
        return Examples(inputs, labels)

    def _blended(self, classifier: Classifier) -> Classifier:
        """At the strength of the blend with the best val accuracy; ties go to the lower cross-entropy."""
        assert self.suite.val.labels is not None
        labels = torch.from_numpy(self.suite.val.labels)
        best, highest = 0.0, LOWEST
        with tempfile.TemporaryDirectory() as passing:  # nobody asks for these features again
            here = self.store.elsewhere(Path(passing))
            for alpha in ALPHAS:
                found = val_score(_val_logits(classifier.at(alpha), self.suite, here), labels)
                if found > highest:
                    best, highest = alpha, found
        return classifier.at(best)

    def _threshold(self, classifier: Classifier) -> float:
        """The highest maximum softmax probability that at least 95 % of the val images reach."""
        confidence = scores.msp(_val_logits(classifier, self.suite, self.store))
        lowest = float(confidence.sort(descending=True).values[math.ceil(0.95 * len(confidence)) - 1])
        return lowest * (1 - 1e-6)  # batches of another size round otherwise


def _val_logits(classifier: Classifier, suite: Suite, store: FeatureStore) -> Tensor:
    return classifier.logits(classifier.views(store, suite.val))


def _labelled(images: ImageSet, features: Features) -> Labelled:
    assert images.labels is not None  # train and val have labels by construction
    if features.bad:
        raise UserError(
            f"{len(features.bad)} images of {images.name} cannot be read, the first is "
            f"{features.bad[0].where}; take them out with Suite.without_bad, or mend them"
        )
    return Labelled(features.vectors, torch.from_numpy(images.labels))
