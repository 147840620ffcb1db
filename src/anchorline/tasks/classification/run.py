"""One method, suite and seed as jobs: the trials of its search, and the choice among them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from anchorline.classifier import runs
from anchorline.classifier.adapted import AdaptedClassifier, Classifier
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.features import FeatureStore
from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.jobs import Job, Step
from anchorline.engine.memory import peak_memory, reset_peak
from anchorline.engine.progress import Narrator
from anchorline.methods.selection import trials
from anchorline.methods.settings import validate
from anchorline.methods.table import Method
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.choosing import blended, threshold
from anchorline.tasks.classification.material import Material
from anchorline.tasks.classification.problem import Classification
from anchorline.training.loop import train
from anchorline.training.movement import write_movement
from anchorline.training.trial import Search, Trial, best_trial


@dataclass(frozen=True, eq=False)
class Run:
    """What `adapt` is asked for, and how it is done.

    Attributes:
        encoder, suite, method, seed: what is adapted, to what, how, with which random numbers.
        store: decoded images and features.
        directory: where the answer goes; None: nowhere.
        narrator, trackers: who is told how training goes.
        trained: gives a classifier whose training this run can use, where there is one.
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
        yield from self._search.steps(self.title, serves=self.job)
        needs = (*self._search.jobs(), *self.needs)
        yield Step(self.title, self.job, self._finish, needs, guarded=True)

    def classifier(self) -> AdaptedClassifier:
        """The answer, from the directory."""
        assert self.directory is not None
        return runs.load(self.directory, self.encoder)

    def let_go(self) -> None:
        """Keep nothing in memory any more."""
        self._material.let_go()

    def collect(self) -> AdaptedClassifier:
        """The best of the trials on val, its blend chosen, with its threshold."""
        best, seconds, peak = self._best()
        reset_peak(self.encoder.device)
        begun = time.perf_counter()
        pretrained = self._material.pretrained
        classifier = Classifier(
            encoder=self.encoder,
            method=self.method,
            classes=self.suite.classes,
            templates=pretrained.templates,
            captions=pretrained.captions,
            tuned=best.tuned,
            alpha=self.method.blend.alpha or 0.0,
            seed=self.seed,
        )
        chosen = best.chosen
        if self.method.blend.alpha is None:
            classifier = blended(classifier, self.suite, self.store)
            chosen = {**chosen, "alpha": classifier.alpha}
        made = AdaptedClassifier.of(
            classifier,
            learnt_from=self.request["train"],
            chosen=chosen,
            seconds=seconds + time.perf_counter() - begun,
            threshold=threshold(classifier, self.suite, self.store),
            peak_memory=max(peak, peak_memory(self.encoder.device)),
        )
        if self.directory:
            with main_process_first():
                if is_main_process():
                    write_movement(self.directory, best.movement)
                    runs.save(made, self.directory)
        return made

    def _best(self) -> tuple[Trial, float, float]:
        """What was trained, or is taken from another run; seconds and MiB that it has cost."""
        if self.trained:
            before = self.trained()
            chosen = {name: value for name, value in before.chosen.items() if name != "alpha"}
            return Trial(before.tuned, chosen), self._material.seconds + before.seconds, before.peak_memory
        if not self._trials:
            adaptation = self.method.tunable.start(self._material.pretrained)
            return Trial(adaptation.tuned(), adaptation.chosen), self._material.seconds, 0.0
        outcomes = self._search.outcomes()
        seconds = self._material.seconds + sum(one.seconds for one in outcomes)
        return self._search.trial(best_trial(outcomes)), seconds, max(one.peak_memory for one in outcomes)

    def _finish(self) -> None:
        self.collect()
        if is_main_process():
            self._search.clean()

    @cached_property
    def _trials(self) -> list[tuple[dict[str, Any], Method]]:
        """The values that are tried, by field, each with the row that has them; empty where nothing is
        trained."""
        return list(trials(self.method)) if self.method.training and not self.trained else []

    @cached_property
    def _search(self) -> Search:
        values = [values for values, _ in self._trials]
        device, prepare = self.encoder.device, self._material.prepare
        return Search(self.request, values, self.directory, device, self._train, prepare)

    @cached_property
    def _material(self) -> Material:
        return Material(self.encoder, self.suite, self.method, self.seed, self.store, self.narrator)

    def _train(self, number: int, job: Job | None) -> Trial:
        values, method = self._trials[number]
        assert method.training is not None
        assert method.objective is not None
        adaptation = method.tunable.start(self._material.pretrained)
        title = " ".join([method.name, *(f"{path.split('.')[-1]}={v:g}" for path, v in values.items())])
        problem = Classification(
            adaptation, method.objective, method.training,
            train=self._material.examples(self.suite.train, self._material.learns_from_pixels),
            val=self._material.examples(self.suite.val, adaptation.changes_images),
        )  # fmt: skip
        trained = train(
            problem, method.constraint, method.training,
            seed=self.seed, run=job.file.parent if job else None, identity=job.identity if job else "",
            progress=self.narrator.bar(title, "steps"), trackers=self.trackers,
        )  # fmt: skip
        chosen = {**adaptation.chosen, **values, "epoch": float(trained.epoch)}
        return Trial(trained.tuned, chosen, trained.val_score, trained.movement)
