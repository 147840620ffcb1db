"""`learn_sequence`: one method through one sequence of tasks, kept in a run directory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from anchorline.classifier import runs
from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.memory import peak_memory, reset_peak
from anchorline.methods.selection import ValScore, best_of, trials
from anchorline.metric import Metric
from anchorline.metrics.bootstrap import Resamples
from anchorline.tasks.continual import runs as record
from anchorline.tasks.continual.learning import Learner, Setting
from anchorline.tasks.continual.measuring import TASK, collect, measure, sequence_score, threshold
from anchorline.tasks.continual.methods import ContinualMethod, check
from anchorline.tasks.continual.runs import Learnt


def learn_sequence(setting: Setting, row: ContinualMethod, run: Path) -> Learnt:
    """Learn the tasks of a sequence one after the other, and measure after each.

    The learning rate is one for the whole sequence: that with the best A_{1:N} on the val images of all
    tasks. Val is never trained on, and no method sees test, shifts or outliers before it is measured on them.

    `run` is a run directory of the classifier in the end (see `anchorline.load`) with sequence.json beside
    it; a finished one is read again. An interrupted one goes on within the task that it was learning, or
    after the last task that it had measured; tensors and figures of single tasks are there until all is
    measured. Raises `UserError`.
    """
    check(row)
    asked = record.request(setting, row)
    identity = runs.configuration_hash(asked)
    if found := record.read(setting, row, run, identity):
        return found
    if record.holds_something(run):
        setting.narrator.say(f"note: {run} held a run with other settings or images, which this one replaces")
    begun = time.perf_counter()
    reset_peak(setting.encoder.device)
    sequence, store = setting.sequence, setting.store
    learner, val = _chosen(setting, row, run, identity)
    for task in range(1, len(sequence) + 1):
        learner.tuned(task)
    seconds = time.perf_counter() - begun
    metrics = _measured(learner, run)
    metrics[-1].append(Metric("", "summary", "seconds", seconds, unit="s"))
    classifier = replace(learner.final(), seconds=seconds, peak_memory=peak_memory(setting.encoder.device))
    classifier = replace(classifier, threshold=threshold(classifier, sequence.suite.val, store))
    learnt = Learnt(row, setting.encoder, sequence.seed, run, metrics, learner.values, val, identity)
    with main_process_first():
        if is_main_process():
            runs.save(classifier, run)
            record.write(learnt, asked)
    with main_process_first():  # now no other process needs what is there of single tasks
        if is_main_process():
            for one in _learners(setting, row, run, identity):
                one.clean()
            record.drop_figures(run, len(sequence))
    return learnt


def _learners(setting: Setting, row: ContinualMethod, run: Path, identity: str) -> Iterator[Learner]:
    """One for each combination of the values to try."""
    for number, (values, method) in enumerate(trials(row.method)):
        trial = replace(row, method=method)
        yield Learner(trial, setting, values, run / f"trial-{number}", identity)


def _chosen(
    setting: Setting, row: ContinualMethod, run: Path, identity: str
) -> tuple[Learner, dict[str, float]]:
    """The trial with the best A_{1:N} on val (ties: the lower cross-entropy, then the first), and A_{1:N} of
    each, in percent."""
    tried: dict[str, float] = {}

    def judged(learner: Learner) -> tuple[ValScore, Learner]:
        found = sequence_score(learner.classifier(len(setting.sequence)), setting.sequence, setting.store)
        tried[", ".join(f"{path} {value:g}" for path, value in learner.values.items())] = 100 * found[0]
        return found, learner

    return best_of(_learners(setting, row, run, identity), judged), tried


def _measured(learner: Learner, run: Path) -> list[list[Metric]]:
    """The figures after each task; those that an interrupted call has left are not measured again."""
    setting, sequence, count = learner.setting, learner.setting.sequence, len(learner.setting.sequence)
    matrix, resamples = np.full((count, count), np.nan), Resamples()
    tell = setting.narrator.bar(f"{learner.row.name}, measuring", "tasks")
    found = []
    for task in range(1, count + 1):
        metrics = record.read_figures(run, task, learner.identity)
        if metrics is None:
            # All processes meet in here before the first one writes, so that all have read the same.
            said = collect(learner.classifier(task), sequence, task, setting.store)
            metrics = list(measure(said, sequence, task, matrix, resamples))
            if is_main_process():
                record.write_figures(run, task, metrics, learner.identity)
        else:
            matrix[task - 1, :task] = [one.value for one in metrics if one.role == TASK]
        found.append(metrics)
        tell(task, count)
    return found
