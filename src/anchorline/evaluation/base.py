"""What evaluators look at: one classifier on one suite, and what to measure beyond the usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.detectors import FittedDetector, scores
from anchorline.errors import UserError
from anchorline.evaluation.outputs import Outputs
from anchorline.metrics.bootstrap import Resamples
from anchorline.suites.suite import Suite


@dataclass(frozen=True)
class Options:
    """What to measure beyond what is always measured.

    Attributes:
        corruptions: of the test set: (name, severity).
        subsets: names of classes, by a title; accuracy is also given with these alone competing.
        reference: (in-distribution, shift) accuracies of reference models in [0, 1], for effective
            robustness; without any, the line goes through the untouched encoder.
        keep: the share of in-distribution images that an open-set decision keeps.
        patches: whether images pass a second time, for what their patches say (GL-MCM).
    """

    corruptions: tuple[tuple[str, int], ...] = ()
    subsets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reference: tuple[tuple[float, float], ...] = ()
    keep: float = 0.95
    patches: bool = False

    def columns_of_subsets(self, classes: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Places of the named classes, ascending. Raises `UserError` for a name that is no class."""
        found = {}
        for title, names in self.subsets.items():
            unknown = [name for name in names if name not in classes]
            if unknown:
                raise UserError(
                    f"subset {title!r} names {unknown[0]!r}, which is no class; the classes are "
                    f"{', '.join(classes[:8])}{' …' if len(classes) > 8 else ''}"
                )
            found[title] = tuple(sorted({classes.index(name) for name in names}))
        return found


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One classifier on one suite.

    Attributes:
        classifier, suite: what was measured on what.
        outputs: what it gives for test, of every shift and of every outlier set, by name.
        untouched: what the untouched encoder gives for the same sets.
        val: what it gives for val; None where no val is at hand.
        detectors: fitted on train.
        options: what else to measure.
        resamples: of the bootstrap; the same for all methods, so that their differences are paired.
    """

    classifier: AdaptedClassifier
    suite: Suite
    outputs: Mapping[str, Outputs]
    untouched: Mapping[str, Outputs]
    val: Outputs | None = None
    detectors: Sequence[FittedDetector] = ()
    options: Options = field(default_factory=Options)
    resamples: Resamples = field(default_factory=Resamples)

    @cached_property
    def scores(self) -> dict[str, dict[str, Tensor]]:
        """Of each image of test and of each outlier set, by set and detector, float64 [N]; higher: more
        in-distribution. A detector that cannot be fitted on the classes of a set has no entry there."""
        sets = ("test", *self.suite.outliers) if self.suite.outliers else ()
        return {name: scores(self.detectors, self.outputs[name]) for name in sets}

    def labelled(self) -> dict[str, Outputs]:
        """Test and the shifts, by name."""
        return {name: self.outputs[name] for name in ("test", *self.suite.shifts)}
