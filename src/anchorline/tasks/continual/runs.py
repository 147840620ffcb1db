"""What the run directory of a sequence holds beside the classifier in the end: sequence.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchorline.classifier import runs
from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.encoders.encoder import Encoder
from anchorline.engine.jobs import Job, read_json
from anchorline.methods.settings import from_json, to_json
from anchorline.metric import Metric
from anchorline.tasks.continual.learning import Setting
from anchorline.tasks.continual.methods import ContinualMethod
from anchorline.version import __version__, commit

FORMAT = 3  # raise it when the same request would no longer give the same figures
FILE = "sequence.json"


@dataclass(frozen=True, eq=False)
class Learnt:
    """One method through one sequence.

    Attributes:
        row: the method.
        encoder: the untouched one.
        seed: of the sequence.
        run: the directory that holds it.
        metrics: figures after each task, from the first; without changes against the untouched encoder.
        chosen: what val has chosen.
        val: A_{1:N} on val at each learning rate tried, in percent, by its text.
        identity: hash of all that decides the figures, 16 hex digits.
    """

    row: ContinualMethod
    encoder: Encoder
    seed: int
    run: Path
    metrics: list[list[Metric]]
    chosen: dict[str, float]
    val: dict[str, float]
    identity: str

    @property
    def classifier(self) -> AdaptedClassifier:
        """What was learnt in the end, classes in the suite's order: read from the directory at each call,
        since the weights of all methods and seeds together may not fit in memory."""
        return runs.load(self.run, self.encoder)

    @property
    def seconds(self) -> float:
        """Wall time of learning."""
        return next(one.value for one in self.metrics[-1] if one.metric == "seconds")


def request(setting: Setting, row: ContinualMethod) -> dict[str, Any]:
    """All that decides the figures, as plain JSON values."""
    suite, sequence = setting.sequence.suite, setting.sequence
    return {
        **runs.request(setting.encoder, row.method, suite.classes, runs.learnt_from(suite), sequence.seed),
        "continual_format": FORMAT,
        "anchor": row.anchor,
        "between": row.between,
        "joint": row.joint,
        "rehearsal": setting.rehearsal,
        "tasks": [[suite.classes[number] for number in task] for task in sequence.tasks],
        "measured_on": suite.hash,
    }


def job_of(setting: Setting, row: ContinualMethod, run: Path) -> Job:
    """The question what a method learns and what it then knows, and where the answer lies."""
    return Job(request(setting, row), run / FILE)


def write(learnt: Learnt, job: Job) -> None:
    job.put({
        "anchorline": __version__,
        "commit": commit(),
        "method": to_json(learnt.row.method),
        "chosen": learnt.chosen,
        "val": learnt.val,
        "metrics": [plain(task) for task in learnt.metrics],
    })  # fmt: skip


def read(run: Path, encoder: Encoder) -> Learnt | None:
    """What a directory holds; None where there is no finished sequence of this encoder."""
    facts = read_json(run / FILE)
    try:
        method = from_json(facts["method"])
        row = ContinualMethod(method, facts["anchor"], facts["between"], facts["joint"])
        metrics = [metrics_of(task) for task in facts["metrics"]]
        chosen, val, seed = facts["chosen"], facts["val"], facts["seed"]
        if facts["encoder_hash"] != encoder.hash:
            return None
        return Learnt(row, encoder, seed, run, metrics, chosen, val, facts["configuration_hash"])
    except (KeyError, TypeError, ValueError):
        return None


def plain(metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) for one in metrics]


def metrics_of(plain: list[dict[str, Any]]) -> list[Metric]:
    return [Metric(**one) for one in plain]
