"""What the run directory of a sequence holds beside the classifier in the end: sequence.json, and figures of
single tasks while it is measured."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anchorline.classifier import runs
from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.encoders.encoder import Encoder
from anchorline.engine.storage import write_text
from anchorline.metric import Metric
from anchorline.tasks.classification.facts import suite_hash
from anchorline.tasks.continual.learning import Setting
from anchorline.tasks.continual.methods import ContinualMethod
from anchorline.version import __version__, commit

FORMAT = 1  # raise it when the same request would no longer give the same figures
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


def write(learnt: Learnt, asked: dict[str, Any]) -> None:
    facts = {
        "anchorline": __version__,
        "commit": commit(),
        "identity": learnt.identity,
        **asked,
        "chosen": learnt.chosen,
        "val": learnt.val,
        "metrics": [_plain(task) for task in learnt.metrics],
    }
    write_text(learnt.run / FILE, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def read(setting: Setting, row: ContinualMethod, run: Path, identity: str) -> Learnt | None:
    """What a directory holds of the same request; None if that is nothing."""
    try:
        facts = json.loads((run / FILE).read_text(encoding="utf-8"))
        classifier = json.loads((run / runs.CONFIGURATION).read_text(encoding="utf-8"))
        # `anchorline compare` may have written its classifier beside the figures since.
        same = all(classifier[k] == facts[k] for k in ("encoder_hash", "train", "seed", "classes", "chosen"))
        if facts["identity"] != identity or not same or not (run / runs.TENSORS).is_file():
            return None
        metrics = [_metrics(task) for task in facts["metrics"]]
        return Learnt(row, setting.encoder, setting.sequence.seed, run, metrics, dict(facts["chosen"]),
                      dict(facts["val"]), identity)  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None


def holds_something(run: Path) -> bool:
    """Whether there is a finished run, of a sequence or of `anchorline compare`."""
    return (run / FILE).is_file() or (run / runs.CONFIGURATION).is_file()


def write_figures(run: Path, task: int, metrics: Sequence[Metric], identity: str) -> None:
    """Keep the figures after a task until all tasks are measured."""
    facts = {"identity": identity, "metrics": _plain(metrics)}
    write_text(_figures(run, task), json.dumps(facts) + "\n")


def read_figures(run: Path, task: int, identity: str) -> list[Metric] | None:
    """The figures after a task of the same request; None if there are none."""
    try:
        facts = json.loads(_figures(run, task).read_text(encoding="utf-8"))
        return _metrics(facts["metrics"]) if facts["identity"] == identity else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def drop_figures(run: Path, tasks: int) -> None:
    """All is measured, and sequence.json has them."""
    for task in range(1, tasks + 1):
        _figures(run, task).unlink(missing_ok=True)


def _figures(run: Path, task: int) -> Path:
    return run / f"figures-{task:02d}.json"


def _plain(metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) for one in metrics]


def _metrics(plain: list[dict[str, Any]]) -> list[Metric]:
    return [Metric(**one) for one in plain]
