"""The trials of a search: what each training has found, kept under the hash of what was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anchorline.engine.distributed import from_main_process, is_main_process
from anchorline.engine.jobs import Job, Step, identity_of
from anchorline.engine.memory import peak_memory, reset_peak
from anchorline.engine.storage import read_facts
from anchorline.errors import DivergedError
from anchorline.methods.selection import LOWEST, ValScore, best_of
from anchorline.training.state import CHECKPOINT


@dataclass(frozen=True, eq=False)
class Trial:
    """What a training has found.

    Attributes:
        tuned: tensors of the best epoch, by name.
        chosen: what val has chosen, and the values that were tried.
        val_score: of the best epoch.
        movement: how far layers moved; the rows of movement.csv.
        seconds, peak_memory: wall time, and MiB while training.
        diverged: why there is nothing, where the loss was no number any more.
    """

    tuned: dict[str, Tensor]
    chosen: dict[str, float]
    val_score: ValScore = LOWEST
    movement: list[list[Any]] = field(default_factory=list)
    seconds: float = 0.0
    peak_memory: float = 0.0
    diverged: str = ""


@dataclass(frozen=True, eq=False)
class Search:
    """The trials of a run: each is a job in the run's directory, and val chooses among them.

    Attributes:
        request: of the run.
        values: what each trial tries, by field.
        directory: of the run; None: trials are kept in memory.
        device: where training happens.
        train: trains the trial of a number; the job, if there is one, tells where its state is kept.
        prepare: called before the clock of a trial runs.
    """

    request: Mapping[str, Any]
    values: Sequence[Mapping[str, Any]]
    directory: Path | None
    device: torch.device
    train: Callable[[int, Job | None], Trial]
    prepare: Callable[[], object] = lambda: None
    _in_memory: dict[int, Trial] = field(default_factory=dict)

    def jobs(self) -> list[Job]:
        """The jobs of the trials; none where there is no directory."""
        return [self._job(number, self.directory) for number in range(len(self.values)) if self.directory]

    def steps(self, title: str, serves: Job) -> list[Step]:
        """A step a trial; they serve the run's job."""
        return [
            Step(title, job, partial(self._attempt, number, job), serves=serves)
            for number, job in enumerate(self.jobs())
        ]

    def outcomes(self) -> list[Trial]:
        """What each trial has found, without its tensors where they are on disk; what is not done yet is
        done."""
        return [self._outcome(number) for number in range(len(self.values))]

    def trial(self, number: int) -> Trial:
        """What a trial has found, with its tensors."""
        if self.directory is None:
            return self._in_memory[number]
        answer = self._job(number, self.directory).answer()
        assert answer is not None
        # Copies lie aligned in memory, so that products round as they did before saving.
        return _trial(answer.facts, {name: tensor.clone() for name, tensor in answer.tensors.items()})

    def clean(self) -> None:
        """Take away the answers, which have served; the logs of training stay."""
        for job in self.jobs():
            job.file.unlink(missing_ok=True)

    def _job(self, number: int, directory: Path) -> Job:
        asked = {**self.request, "trial": self.values[number]}
        return Job(asked, directory / f"trial-{number}" / f"trial-{identity_of(asked)}.safetensors")

    def _outcome(self, number: int) -> Trial:
        if self.directory is None:
            if number not in self._in_memory:
                self._in_memory[number] = self._attempt(number, None)
            return self._in_memory[number]
        job = self._job(number, self.directory)
        if not from_main_process(job.finished):
            self._attempt(number, job)
            from_main_process(lambda: None)  # the first process has put the answer
        return _trial(read_facts(job.file), {})

    def _attempt(self, number: int, job: Job | None) -> Trial:
        """Train, and put what was found where the job says.

        The state of training has served then, unless it tells where a training diverged.
        """
        self.prepare()
        reset_peak(self.device)
        begun = time.perf_counter()
        try:
            found = self.train(number, job)
        except DivergedError as error:
            found = Trial({}, {}, diverged=str(error))
        peak = peak_memory(self.device)
        found = replace(found, seconds=time.perf_counter() - begun, peak_memory=peak)
        if job and is_main_process():
            facts = {one.name: getattr(found, one.name) for one in fields(found) if one.name != "tuned"}
            job.put(facts, found.tuned)
            if not found.diverged:
                (job.file.parent / CHECKPOINT).unlink(missing_ok=True)
        return found


def _trial(facts: Mapping[str, Any], tuned: dict[str, Tensor]) -> Trial:
    found = {one.name: facts[one.name] for one in fields(Trial) if one.name != "tuned"}
    return Trial(tuned, **{**found, "val_score": tuple(found["val_score"])})


def best_trial(outcomes: Sequence[Trial]) -> int:
    """The number of the trial that does best on val. Raises `DivergedError` where all have diverged."""
    return best_of(enumerate(outcomes), _scored)


def _scored(numbered: tuple[int, Trial]) -> tuple[ValScore, int]:
    number, trial = numbered
    if trial.diverged:
        raise DivergedError(trial.diverged)
    return trial.val_score, number
