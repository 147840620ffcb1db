"""What is measured of one run: rows of numbers, what each image got, and what the page shows, as jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
from torch import Tensor

from anchorline.detectors import DETECTORS
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.features import FeatureStore
from anchorline.engine.distributed import is_main_process
from anchorline.engine.jobs import Answer, Job, Step, identity_of, set_fields
from anchorline.engine.plugins import code_of
from anchorline.engine.progress import Narrator
from anchorline.evaluation.base import Evaluation, Options
from anchorline.evaluation.collect import collect
from anchorline.evaluation.evaluators.corruption import corruption
from anchorline.evaluation.evaluators.table import EVALUATORS, measure
from anchorline.evaluation.outputs import Outputs
from anchorline.metric import Metric
from anchorline.metrics.bootstrap import Resamples
from anchorline.report import MethodDetails
from anchorline.report.details import from_plain, to_plain
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.alpha import alpha_curve
from anchorline.tasks.classification.details import details
from anchorline.tasks.classification.run import Run
from anchorline.tasks.comparison import ANSWERS

FORMAT = 3  # raise it when the same request would no longer give the same figures


@dataclass(frozen=True, eq=False)
class Measurement:
    """What was measured of one run.

    Attributes:
        metrics: as in results.jsonl, without changes against the untouched encoder.
        left_out: detectors that could not be fitted, with a reason.
        right: whether each image of test and of each shift got the right answer, bool [N], by set.
        confidence: maximum softmax probability of each image of test and of each outlier set, [N], by set.
    """

    metrics: list[Metric]
    left_out: dict[str, str]
    right: dict[str, Tensor]
    confidence: dict[str, Tensor]


@dataclass(frozen=True)
class Measured:
    """The questions that a comparison asks of each run, and where the answers lie.

    Attributes:
        suite: without images that cannot be read.
        options: what else is measured.
        encoder: the untouched one, with whose answers those of each run are compared.
    """

    suite: Suite
    options: Options
    encoder: Encoder

    def measurement(self, run: Path, identity: str) -> Job:
        """`identity`: of the run."""
        return self._job("measurement", run, identity)

    def details(self, run: Path, identity: str) -> Job:
        return self._job("details", run, identity)

    def alpha(self, run: Path, identity: str) -> Job:
        asked = {"format": FORMAT, "run": identity, "suite": self.suite.hash}
        return Job(asked, run / ANSWERS / "alpha.json")

    def _job(self, what: str, run: Path, identity: str) -> Job:
        asked = {
            "format": FORMAT,
            "what": what,
            "run": identity,
            "suite": self.suite.hash,
            "near": sorted(self.suite.near),
            "columns": {name: images.columns for name, images in self.suite.sets().items()},
            "templates": list(self.encoder.templates),
            "preprocessing": self.encoder.preprocessing,
            "options": set_fields(self.options),
            "evaluators": list(EVALUATORS),
            "detectors": list(DETECTORS),
            "plugins": code_of(
                *EVALUATORS.values(), *(f for one in DETECTORS.values() for f in (one.fit, one.space))
            ),
        }
        return Job(asked, run / ANSWERS / f"{what}-{identity_of(asked)}.safetensors")


@dataclass(frozen=True, eq=False)
class Measuring:
    """Measures one run.

    Attributes:
        run: what is measured.
        asked: what is asked of it.
        untouched: what the untouched encoder gives for the same sets; None: this is the untouched one.
    """

    run: Run
    asked: Measured
    untouched: Callable[[], Mapping[str, Outputs]] | None
    store: FeatureStore
    resamples: Resamples
    narrator: Narrator
    _collected: list[tuple[Evaluation, dict[str, str]]] = field(default_factory=list)

    def steps(self, shown: bool) -> Iterator[Step]:
        """`shown`: whether the page shows pictures and curves of this run."""
        assert self.run.directory is not None
        directory, identity = self.run.directory, self.run.job.identity
        needs = (self.run.job,)
        if shown:
            job = self.asked.details(directory, identity)
            yield Step(self.run.title, job, lambda: self._show(job), needs)
        numbers = self.asked.measurement(directory, identity)
        yield Step(self.run.title, numbers, lambda: self._measure(numbers), needs)
        if self.run.method.blend.blends:
            curve = self.asked.alpha(directory, identity)
            yield Step(self.run.title, curve, lambda: self._curve(curve), needs)

    def let_go(self) -> None:
        """Keep nothing in memory any more."""
        self._collected.clear()
        self.run.let_go()

    def _collect(self) -> tuple[Evaluation, dict[str, str]]:
        if not self._collected:
            self._collected.append(
                collect(
                    self.run.classifier(),
                    self.asked.suite,
                    self.store,
                    untouched=self.untouched and self.untouched(),
                    options=self.asked.options,
                    resamples=self.resamples,
                    progress=self.narrator.bar,
                )
            )
        return self._collected[0]

    def _show(self, job: Job) -> None:
        found = details(self._collect()[0])
        if is_main_process():
            job.put({"details": to_plain(found)})

    def _measure(self, job: Job) -> None:
        evaluation, left_out = self._collect()
        metrics = measure(evaluation)
        metrics += corruption(
            evaluation.classifier, self.asked.suite, self.asked.options.corruptions, self.store,
            lambda title: self.narrator.bar(title, "sets"),
        )  # fmt: skip
        tensors = {f"right/{name}": one.right for name, one in evaluation.labelled().items()}
        for name in ("test", *evaluation.suite.outliers):
            tensors[f"confidence/{name}"] = evaluation.outputs[name].confidence
            for detector, scores in evaluation.scores.get(name, {}).items():
                tensors[f"score/{detector}/{name}"] = scores.float()
        if is_main_process():
            job.put({"metrics": [asdict(one) for one in metrics], "left_out": left_out}, tensors)
        self.narrator.say(f"{self.run.title}: adapted in {evaluation.classifier.seconds:.1f} s")

    def _curve(self, job: Job) -> None:
        found = alpha_curve(self.run.classifier(), self.asked.suite, self.store, self.narrator)
        if is_main_process():
            job.put({"curve": found.to_dict("records")})


def read_measurement(job: Job) -> Measurement | None:
    """The answer, if it is there."""
    answer = job.answer()
    if answer is None:
        return None
    metrics = [Metric(**one) for one in answer.facts["metrics"]]
    return Measurement(
        metrics, answer.facts["left_out"], _under(answer, "right/"), _under(answer, "confidence/")
    )


def _under(answer: Answer, prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in answer.tensors.items() if n.startswith(prefix)}


def read_details(job: Job) -> MethodDetails | None:
    """The answer, if it is there."""
    answer = job.answer()
    return from_plain(answer.facts["details"]) if answer else None


def read_curve(job: Job) -> pd.DataFrame | None:
    """The answer, if it is there."""
    answer = job.answer()
    return pd.DataFrame(answer.facts["curve"]) if answer else None
