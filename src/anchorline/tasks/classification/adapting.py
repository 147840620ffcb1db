"""`adapt`: one method, one encoder, one suite, one seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.classifier.runs import request_of
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.features import FeatureStore
from anchorline.engine.jobs import do_all
from anchorline.engine.progress import Narrator, Silent
from anchorline.methods.table import Method, find_method
from anchorline.suites.suite import Suite
from anchorline.tasks.claiming import claim_run
from anchorline.tasks.classification.run import Run


def adapt(
    encoder: Encoder,
    suite: Suite,
    method: str | Method,
    seed: int = 0,
    store: FeatureStore | None = None,
    *,
    run: str | Path | None = None,
    narrator: Narrator | None = None,
    trackers: tuple[str, ...] = (),
    reuse: Sequence[AdaptedClassifier] = (),
    overwrite: bool = False,
) -> AdaptedClassifier:
    """Adapt an encoder to a suite's classes: learns from `train`, chooses on `val`, sees nothing else.

    With `run`, the state of training is kept there and the same call goes on from it to the same bits; at the
    end it is a run directory (see `load`), which the same call gives back without training again. Calls of
    other processes with the same `run` share the trials of the method's search.

    `reuse` holds classifiers of the same encoder, suite and seed: one that differs in its blend alone spares
    the training. A finished run of another request is refused, unless `overwrite` says to replace it.

    `seconds` of the classifier holds what its method needs: encoding the captions, decoding and encoding
    train and val if it trains (as measured when they were done, if `store` has them), and training, the
    trials of a search included. Raises `UserError` for an unknown method, unreadable images, a diverging
    loss, a full disk, a directory that holds something else.
    """
    row = find_method(method) if isinstance(method, str) else method
    directory = Path(run) if run else None
    work = Run(encoder, suite, row, seed, store or FeatureStore(), directory, narrator or Silent(), trackers)
    for one in reuse:
        if spares_training(row, one.method) and work.same_but_method(request_of(one)):
            work = replace(work, trained=partial(_itself, one))
            break
    if directory is None:
        return work.collect()
    claim_run(directory, "run", work.job, overwrite, work.narrator)
    do_all(work.steps(), work.narrator)
    return work.classifier()


def _itself(classifier: AdaptedClassifier) -> AdaptedClassifier:
    return classifier


def spares_training(row: Method, other: Method) -> bool:
    """Whether what `other` has trained is what `row` would train: they differ in their blends alone."""
    same = replace(other, name=row.name, about=row.about, source=row.source, blend=row.blend)
    return row.training is not None and same == row
