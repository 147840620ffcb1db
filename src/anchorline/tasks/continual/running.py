"""`learn_sequence`: one method through one sequence of tasks, kept in a run directory."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import anchorline
from anchorline import runs
from anchorline.checkpoints import write_text
from anchorline.classifier import AdaptedClassifier
from anchorline.errors import DivergedError
from anchorline.evaluation import Metric
from anchorline.facts import suite_hash
from anchorline.measures.resampling import Resamples
from anchorline.memory import peak_memory, reset_peak
from anchorline.merit import Merit
from anchorline.processes import first_goes_first, is_first
from anchorline.provenance import commit
from anchorline.tasks.continual.learning import Learner, Setting
from anchorline.tasks.continual.measuring import examine, measure, threshold, val_merit
from anchorline.tasks.continual.methods import ContinualMethod, check

FORMAT = 1  # raise it when the same request would no longer give the same figures
FILE = "sequence.json"


@dataclass(frozen=True, eq=False)
class Learnt:
    """One method through one sequence.

    Attributes:
        row: the method.
        classifier: what was learnt in the end, classes in the suite's order; also what the directory holds.
        metrics: figures after each task, from the first; without changes against the untouched encoder.
        val: A_{1:N} on val at each learning rate tried, in percent, by its text.
        identity: hash of all that decides the figures, 16 hex digits.
    """

    row: ContinualMethod
    classifier: AdaptedClassifier
    metrics: list[list[Metric]]
    val: dict[str, float]
    identity: str


def learn_sequence(setting: Setting, row: ContinualMethod, run: Path) -> Learnt:
    """Learn the tasks of a sequence one after the other, and measure after each.

    The learning rate is one for the whole sequence: that with the best A_{1:N} on the val images of all
    tasks. Val is never trained on, and no method sees test, shifts or outliers before it is measured on them.

    `run` is a run directory of the classifier in the end (see `anchorline.load`) with sequence.json beside
    it; a finished one is read again, an interrupted one goes on after the last task (and within it). The
    tensors of single tasks are there until all is measured. Raises `UserError`.
    """
    check(row)
    asked = _request(setting, row)
    identity = runs.configuration_hash(asked)
    if found := _read(run, identity):
        return Learnt(row, runs.load(run, setting.encoder), *found, identity)
    if (run / FILE).is_file():
        setting.narrator.say(f"note: {run} held a run with other settings or images, which this one replaces")
    begun = time.perf_counter()
    reset_peak(setting.encoder.device)
    learner, val = _chosen(setting, row, run, identity)
    tasks, store = range(1, len(setting.sequence) + 1), setting.store
    for task in tasks:
        learner.tuned(task)
    seconds = time.perf_counter() - begun
    matrix, resamples = np.full((len(tasks), len(tasks)), np.nan), Resamples()
    metrics = []
    tell = setting.narrator.bar(f"{row.name}, measuring", "tasks")
    for task in tasks:
        said = examine(learner.classifier(task), setting.sequence, task, store)
        metrics.append(list(measure(said, setting.sequence, task, matrix, resamples)))
        tell(task, len(tasks))
    metrics[-1].append(Metric("", "summary", "seconds", seconds, unit="s"))
    classifier = replace(learner.final(), seconds=seconds, peak_memory=peak_memory(setting.encoder.device))
    classifier = replace(classifier, threshold=threshold(classifier, setting.sequence.suite.val, store))
    with first_goes_first():
        if is_first():
            runs.save(classifier, run)
            _write(run, identity, asked, learner, metrics, val)
    with first_goes_first():  # now no other process needs the tensors of the tasks
        if is_first():
            for one in _learners(setting, row, run, identity):
                one.clean()
    return Learnt(row, classifier, metrics, val, identity)


def _learners(setting: Setting, row: ContinualMethod, run: Path, identity: str) -> Iterator[Learner]:
    """One for each combination of the values to try."""
    paths = [path for path, _ in row.method.search]
    for number, values in enumerate(product(*(options for _, options in row.method.search))):
        yield Learner(row, setting, dict(zip(paths, values, strict=True)), run / f"trial-{number}", identity)


def _chosen(
    setting: Setting, row: ContinualMethod, run: Path, identity: str
) -> tuple[Learner, dict[str, float]]:
    """The trial with the best A_{1:N} on val (ties: the lower cross-entropy, then the first), and A_{1:N} of
    each, in percent."""
    best: tuple[Merit, Learner] | None = None
    failed: DivergedError | None = None
    tried: dict[str, float] = {}
    for learner in _learners(setting, row, run, identity):
        try:
            found = val_merit(learner.classifier(len(setting.sequence)), setting.sequence, setting.store)
        except DivergedError as error:  # this trial is lost, and the others may do well
            failed = error
            continue
        tried[", ".join(f"{path} {value:g}" for path, value in learner.values.items())] = 100 * found[0]
        if best is None or found > best[0]:
            best = (found, learner)
    if best is None:
        assert failed is not None
        raise failed
    return best[1], tried


def _request(setting: Setting, row: ContinualMethod) -> dict[str, Any]:
    """All that decides the figures, as plain JSON values."""
    suite, sequence = setting.sequence.suite, setting.sequence
    method = replace(row.method, about="", source="")  # words decide nothing
    return {
        **runs.request(setting.encoder, method, suite.classes, runs.learnt_from(suite), sequence.seed),
        "continual_format": FORMAT,
        "anchor": row.anchor,
        "between": row.between,
        "joint": row.joint,
        "rehearsal": setting.rehearsal,
        "tasks": [[suite.classes[number] for number in task] for task in sequence.tasks],
        "measured_on": suite_hash(suite),
    }


def _write(
    run: Path, identity: str, asked: dict[str, Any], learner: Learner, metrics: list[list[Metric]],
    val: dict[str, float],
) -> None:  # fmt: skip
    facts = {
        "anchorline": anchorline.__version__,
        "commit": commit(),
        "identity": identity,
        **asked,
        "chosen": learner.values,
        "val": val,
        "metrics": [[dataclasses.asdict(one) for one in task] for task in metrics],
    }
    write_text(run / FILE, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def _read(run: Path, identity: str) -> tuple[list[list[Metric]], dict[str, float]] | None:
    """Figures of the same request, and A_{1:N} on val; None if there are none."""
    try:
        facts = json.loads((run / FILE).read_text(encoding="utf-8"))
        if facts["identity"] != identity:
            return None
        return [[Metric(**one) for one in task] for task in facts["metrics"]], dict(facts["val"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
