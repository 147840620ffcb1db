"""One classifier on one suite, with all that the evaluators look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from anchorline.classifier import AdaptedClassifier
from anchorline.detection import Scorer
from anchorline.evaluation.options import Options
from anchorline.evaluation.outcome import Outcome
from anchorline.measures.resampling import Resamples
from anchorline.suites.suite import Suite


@dataclass(frozen=True, eq=False)
class Examined:
    """One classifier on one suite.

    Attributes:
        classifier, suite: what was measured on what.
        said: what it says of test, of every shift and of every outlier set, by name.
        before: what the untouched encoder says of the same.
        val: what it says of val; None where no val is at hand.
        scorers: fitted detectors.
        options: what else to measure.
        resamples: of the bootstrap; the same for all methods, so that their differences are paired.
    """

    classifier: AdaptedClassifier
    suite: Suite
    said: Mapping[str, Outcome]
    before: Mapping[str, Outcome]
    val: Outcome | None = None
    scorers: Sequence[Scorer] = ()
    options: Options = field(default_factory=Options)
    resamples: Resamples = field(default_factory=Resamples)

    def labelled(self) -> dict[str, Outcome]:
        """Test and the shifts, by name."""
        return {name: self.said[name] for name in ("test", *self.suite.shifts)}
