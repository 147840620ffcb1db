"""One method through one sequence of tasks as jobs: the trials of its search, the choice, the figures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from anchorline.classifier import runs as classifier_runs
from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.jobs import Job, Step, do_all, identity_of
from anchorline.engine.memory import peak_memory, reset_peak
from anchorline.errors import DivergedError
from anchorline.methods.selection import ValScore, best_of, trials
from anchorline.metric import Metric
from anchorline.metrics.bootstrap import Resamples
from anchorline.tasks.comparison import claim_run
from anchorline.tasks.continual import runs
from anchorline.tasks.continual.learning import Learner, Setting
from anchorline.tasks.continual.measuring import TASK, collect, measure, sequence_score, threshold
from anchorline.tasks.continual.methods import ContinualMethod, check
from anchorline.tasks.continual.runs import Learnt


def learn_sequence(setting: Setting, row: ContinualMethod, run: Path, overwrite: bool = False) -> Learnt:
    """Learn the tasks of a sequence one after the other, and measure after each.

    The learning rate is one for the whole sequence: that with the best A_{1:N} on the val images of all
    tasks. Val is never trained on, and no method sees test, shifts or outliers before it is measured on them.

    `run` is a run directory of the classifier in the end (see `anchorline.load`) with sequence.json beside
    it; a finished one is read again. An interrupted one goes on within the task that it was learning, or
    after the last task that it had measured; tensors and figures of single tasks are there until all is
    measured. Raises `UserError`.
    """
    work = Run(setting, row, run)
    claim_run(run, "sequence", work.job, overwrite, setting.narrator)
    do_all(work.steps(), setting.narrator)
    return work.learnt()


@dataclass(frozen=True, eq=False)
class Run:
    """What `learn_sequence` is asked for, and how it is done."""

    setting: Setting
    method: ContinualMethod
    directory: Path
    _learners: dict[int, Learner] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self.method)

    @cached_property
    def job(self) -> Job:
        return runs.job_of(self.setting, self.method, self.directory)

    @property
    def title(self) -> str:
        return f"{self.method.name}, seed {self.setting.sequence.seed}"

    def steps(self) -> Iterator[Step]:
        """The trials, then the choice among them, measured after each task."""
        jobs = [self._trial_job(number) for number in range(len(self._trials))]
        for number, job in enumerate(jobs):
            yield Step(self.title, job, partial(self._try, number), serves=self.job)
        yield Step(self.title, self.job, self._finish, tuple(jobs), guarded=True, after=self._learners.clear)

    def learnt(self) -> Learnt:
        """The answer, from the directory."""
        found = runs.read(self.directory, self.setting.encoder)
        assert found is not None
        return found

    @cached_property
    def _trials(self) -> list[tuple[dict[str, float], ContinualMethod]]:
        """Each combination of the values to try, with the row that has it."""
        tried = trials(self.method.method)
        return [(values, replace(self.method, method=method)) for values, method in tried]

    def _trial_job(self, number: int) -> Job:
        asked = {**self.job.request, "trial": self._trials[number][0]}
        return Job(asked, self.directory / f"trial-{number}" / f"trial-{identity_of(asked)}.json")

    def _learner(self, number: int) -> Learner:
        if number not in self._learners:
            values, row = self._trials[number]
            place = self.directory / f"trial-{number}"
            self._learners[number] = Learner(row, self.setting, values, place, self.job.identity)
        return self._learners[number]

    def _try(self, number: int) -> None:
        """Learn all tasks at one learning rate, and ask val."""
        learner, sequence = self._learner(number), self.setting.sequence
        reset_peak(self.setting.encoder.device)
        begun, diverged, score = time.perf_counter(), "", (0.0, 0.0)
        try:
            score = sequence_score(learner.classifier(len(sequence)), sequence, self.setting.store)
        except DivergedError as error:
            diverged = str(error)
        if is_main_process():
            peak = peak_memory(self.setting.encoder.device)
            seconds = time.perf_counter() - begun
            self._trial_job(number).put(
                {"val_score": score, "diverged": diverged, "seconds": seconds, "peak_memory": peak}
            )

    def _finish(self) -> None:
        """Take the trial with the best A_{1:N} on val (ties: the lower cross-entropy, then the first)."""
        setting, sequence = self.setting, self.setting.sequence
        answers = [self._trial_job(number).answer() for number in range(len(self._trials))]
        facts = [answer.facts for answer in answers if answer]
        assert len(facts) == len(self._trials)

        def scored(number: int) -> tuple[ValScore, Learner]:
            if facts[number]["diverged"]:
                raise DivergedError(facts[number]["diverged"])
            accuracy, cross_entropy = facts[number]["val_score"]
            return (accuracy, cross_entropy), self._learner(number)

        learner = best_of(range(len(facts)), scored)
        val = {
            ", ".join(f"{path} {value:g}" for path, value in values.items()): 100 * found["val_score"][0]
            for (values, _), found in zip(self._trials, facts, strict=True)
            if not found["diverged"]
        }
        seconds = sum(one["seconds"] for one in facts)
        metrics = self._measured(learner)
        metrics[-1].append(Metric("", "summary", "seconds", seconds, unit="s"))
        peak = max(one["peak_memory"] for one in facts)
        final = learner.final()
        classifier = AdaptedClassifier.of(
            final,
            learnt_from=classifier_runs.learnt_from(sequence.suite),
            chosen=learner.values,
            seconds=seconds,
            threshold=threshold(final, sequence.suite.val, setting.store),
            peak_memory=peak,
        )
        learnt = Learnt(
            self.method, setting.encoder, sequence.seed, self.directory, metrics, learner.values, val,
            self.job.identity,
        )  # fmt: skip
        setting.narrator.say(f"{self.title}: {seconds:.1f} s")
        with main_process_first():
            if is_main_process():
                classifier_runs.save(classifier, self.directory)
                runs.write(learnt, self.job)
        with main_process_first():  # now no other process needs what is there of single tasks
            if is_main_process():
                for number, job in enumerate(self._trial_job(n) for n in range(len(self._trials))):
                    self._learner(number).clean()
                    job.file.unlink(missing_ok=True)
                for task in range(1, len(sequence) + 1):
                    self._figures(task, learner).file.unlink(missing_ok=True)

    def _figures(self, task: int, learner: Learner) -> Job:
        """The figures after a task; sequence.json has them in the end."""
        asked = {**self.job.request, "trial": learner.values, "figures": task}
        return Job(asked, self.directory / f"figures-{task:02d}.json")

    def _measured(self, learner: Learner) -> list[list[Metric]]:
        """The figures after each task; those that an interrupted call has left are not measured again."""
        sequence, store = self.setting.sequence, self.setting.store
        count = len(sequence)
        matrix, resamples = np.full((count, count), np.nan), Resamples()
        tell = self.setting.narrator.bar(f"{self.method.name}, measuring", "tasks")
        found = []
        for task in range(1, count + 1):
            job = self._figures(task, learner)
            answer = job.answer()
            if answer is None:
                # All processes meet in here before the first one writes: all have read the same.
                outputs = collect(learner.classifier(task), sequence, task, store)
                metrics = list(measure(outputs, sequence, task, matrix, resamples))
                if is_main_process():
                    job.put({"metrics": runs.plain(metrics)})
            else:
                metrics = runs.metrics_of(answer.facts["metrics"])
                matrix[task - 1, :task] = [one.value for one in metrics if one.role == TASK]
            found.append(metrics)
            tell(task, count)
        return found
