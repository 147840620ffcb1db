"""One method through one sequence of tasks as jobs: the trials of its search, the choice, the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from anchorline.classifier import runs as classifier_runs
from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.jobs import Job, Step, do_all
from anchorline.methods.selection import trials
from anchorline.metric import Metric
from anchorline.metrics.bootstrap import Resamples
from anchorline.tasks.claiming import claim_run
from anchorline.tasks.continual import runs
from anchorline.tasks.continual.learning import Learner, Setting
from anchorline.tasks.continual.measuring import TASK, collect, measure, sequence_score, threshold
from anchorline.tasks.continual.methods import ContinualMethod, check
from anchorline.tasks.continual.runs import Learnt
from anchorline.training.trial import Search, Trial, best_trial


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
        yield from self._search.steps(self.title, serves=self.job)
        yield Step(self.title, self.job, self._finish, tuple(self._search.jobs()), guarded=True)

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

    @cached_property
    def _search(self) -> Search:
        values = [values for values, _ in self._trials]
        return Search(self.job.request, values, self.directory, self.setting.encoder.device, self._learn)

    def _learner(self, number: int) -> Learner:
        values, row = self._trials[number]
        place = self.directory / f"trial-{number}"
        return Learner(row, self.setting, values, place, self.job.identity)

    def _learn(self, number: int, _: Job | None) -> Trial:
        """Learn all tasks at one learning rate, and ask val; the learner keeps what it has learnt."""
        sequence = self.setting.sequence
        final = self._learner(number).classifier(len(sequence))
        score = sequence_score(final, sequence, self.setting.store)
        return Trial({}, self._trials[number][0], score)

    def _finish(self) -> None:
        """Take the trial with the best A_{1:N} on val (ties: the lower cross-entropy, then the first)."""
        outcomes = self._search.outcomes()
        learner = self._learner(best_trial(outcomes))
        seconds = sum(one.seconds for one in outcomes)
        metrics = self._measured(learner)
        metrics[-1].append(Metric("", "summary", "seconds", seconds, unit="s"))
        peak = max(one.peak_memory for one in outcomes)
        self.setting.narrator.say(f"{self.title}: {seconds:.1f} s")
        classifier = self._classifier(learner, seconds, peak)
        learnt = Learnt(
            self.method, self.setting.encoder, self.setting.sequence.seed, self.directory, metrics,
            learner.values, _on_val(outcomes), self.job.identity,
        )  # fmt: skip
        with main_process_first():
            if is_main_process():
                classifier_runs.save(classifier, self.directory)
                runs.write(learnt, self.job)
        with main_process_first():  # now no other process needs what is there of single tasks
            if is_main_process():
                self._clean(learner)

    def _classifier(self, learner: Learner, seconds: float, peak: float) -> AdaptedClassifier:
        final, suite = learner.final(), self.setting.sequence.suite
        return AdaptedClassifier.of(
            final,
            learnt_from=classifier_runs.learnt_from(suite),
            chosen=learner.values,
            seconds=seconds,
            threshold=threshold(final, suite.val, self.setting.store),
            peak_memory=peak,
        )

    def _clean(self, chosen: Learner) -> None:
        for number in range(len(self._trials)):
            self._learner(number).clean()
        self._search.clean()
        for task in range(1, len(self.setting.sequence) + 1):
            self._figures(task, chosen).file.unlink(missing_ok=True)

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


def _on_val(outcomes: Sequence[Trial]) -> dict[str, float]:
    """Accuracy on val in percent, by the values that were tried; without those that have diverged."""
    return {
        ", ".join(f"{path} {value:g}" for path, value in one.chosen.items()): 100 * one.val_score[0]
        for one in outcomes
        if not one.diverged
    }
