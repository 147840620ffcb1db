"""`adapt`: one method, one encoder, one suite."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anchorline.classifier import runs
from anchorline.classifier.adapted import AdaptedClassifier
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.feature_files import Features
from anchorline.encoders.features import FeatureStore
from anchorline.engine.distributed import is_main_process, main_process_first
from anchorline.engine.memory import peak_memory, reset_peak
from anchorline.engine.progress import Narrator, Silent
from anchorline.errors import UserError
from anchorline.methods.blends import ALPHAS
from anchorline.methods.selection import LOWEST, ValScore, best_of, trials, val_score
from anchorline.methods.settings import validate
from anchorline.methods.table import Method, find_method
from anchorline.methods.tunables import Labelled, Pretrained
from anchorline.metrics import scores
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.problem import Classification, Examples
from anchorline.training.loop import train
from anchorline.training.movement import write_movement


@dataclass(frozen=True, eq=False)
class _Found:
    """What adapting has tuned, and what val has chosen."""

    tuned: dict[str, Tensor]
    chosen: dict[str, float]
    seconds: float = 0.0
    movement: list[list[Any]] = field(default_factory=list)


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
    end it is a run directory (see `load`), which the same call gives back without training again.

    `reuse` holds classifiers of the same encoder, suite and seed: one that differs in its blend alone spares
    the training. A finished run of another request is refused, unless `overwrite` says to replace it.

    `seconds` of the classifier holds what its method needs: encoding the captions, decoding and encoding
    train and val if it trains (as measured when they were done, if `store` has them), and training, the
    trials of a search included. Raises `UserError` for an unknown method, unreadable images, a diverging
    loss, a full disk.
    """
    row = find_method(method) if isinstance(method, str) else method
    store, narrator = store or FeatureStore(), narrator or Silent()
    directory = Path(run) if run else None
    validate(row)
    learnt_from = runs.learnt_from(suite)
    asked = runs.request(encoder, row, suite.classes, learnt_from, seed)
    if directory and runs.finished(directory, asked):
        return runs.load(directory, encoder)
    if directory and overwrite and runs.holds_another(directory, asked):
        narrator.say(f"note: {directory} held a run with other settings or images, which this one replaces")
    elif directory and runs.holds_another(directory, asked):
        raise UserError(
            f"{directory} holds a finished run with other settings or images; give another directory with "
            "--out, or take it away"
        )
    templates = runs.templates_of(encoder, row)
    captions = store.classes(encoder, suite.classes, templates)
    train_features, val_features = store.images(encoder, suite.train), store.images(encoder, suite.val)
    seconds = captions.seconds
    if row.tunable.trains:
        seconds += train_features.seconds + val_features.seconds
    if row.training and row.tunable.changes_images:
        # Before the clock runs: the seconds of decoding are in those of the features.
        for images in (suite.train, suite.val):
            store.pixels(encoder.geometry, images, narrator.bar(f"{images.name}, decoding"))
    begun = time.perf_counter()
    reset_peak(encoder.device)
    pretrained = Pretrained(
        encoder, suite.classes, templates, captions.vectors, seed,
        train=_labelled(suite.train, train_features), val=_labelled(suite.val, val_features),
    )  # fmt: skip
    work = _Work(pretrained, suite, store, directory, runs.configuration_hash(asked), narrator, trackers)
    found = _trained_before(row, asked, reuse) or work.best(row)
    classifier = AdaptedClassifier(
        encoder=encoder,
        method=row,
        classes=suite.classes,
        templates=templates,
        captions=captions.vectors,
        learnt_from=learnt_from,
        tuned=found.tuned,
        alpha=row.blend.alpha or 0.0,
        chosen=found.chosen,
        seconds=0.0,
        threshold=0.0,
        peak_memory=0.0,
        seed=seed,
    )
    if row.blend.alpha is None:
        classifier = _blended(classifier, suite, store)
    classifier = replace(
        classifier,
        seconds=(found.seconds or seconds) + time.perf_counter() - begun,
        threshold=_threshold(classifier, suite, store),
        peak_memory=peak_memory(encoder.device),
    )
    with main_process_first():
        if directory and is_main_process():
            write_movement(directory, found.movement)
            runs.save(classifier, directory)
            work.clean()
    return classifier


@dataclass(frozen=True, eq=False)
class _Work:
    pretrained: Pretrained
    suite: Suite
    store: FeatureStore
    directory: Path | None
    identity: str
    narrator: Narrator
    trackers: tuple[str, ...]

    def best(self, row: Method) -> _Found:
        """The trial of the method's search that does best on val; ties go to the first."""
        if row.training is None or row.objective is None:
            adaptation = row.tunable.start(self.pretrained)
            return _Found(adaptation.tuned(), adaptation.chosen)
        return best_of(enumerate(trials(row)), self._train)

    def _train(self, trial: tuple[int, tuple[dict[str, Any], Method]]) -> tuple[ValScore, _Found]:
        number, (values, method) = trial
        assert method.training is not None
        assert method.objective is not None
        adaptation = method.tunable.start(self.pretrained)
        title = " ".join([method.name, *(f"{path.split('.')[-1]}={v:g}" for path, v in values.items())])
        run = self.directory / f"trial-{number}" if self.directory else None
        problem = Classification(
            adaptation, method.objective, method.training.augmentation,
            learn=self._examples(self.suite.train, adaptation.changes_images),
            choose=self._examples(self.suite.val, adaptation.changes_images),
        )  # fmt: skip
        trained = train(
            problem, method.constraint, method.training,
            seed=self.pretrained.seed, run=run, identity=self.identity,
            progress=self.narrator.bar(title, "steps"), trackers=self.trackers,
        )  # fmt: skip
        chosen = {**adaptation.chosen, **values, "epoch": float(trained.epoch)}
        return trained.val_score, _Found(trained.tuned, chosen, movement=trained.movement)

    def _examples(self, images: ImageSet, pixels: bool) -> Examples:
        labels = torch.from_numpy(images.labels)
        if pixels:
            inputs = torch.from_numpy(self.store.pixels(self.pretrained.encoder.geometry, images)[0])
        else:
            inputs = self.store.images(self.pretrained.encoder, images).vectors
        return Examples(inputs, labels)

    def clean(self) -> None:
        """The states of the trials have served; their metrics stay."""
        assert self.directory is not None
        for state in self.directory.glob("trial-*/checkpoint.safetensors"):
            state.unlink()


def _trained_before(row: Method, asked: dict[str, Any], reuse: Sequence[AdaptedClassifier]) -> _Found | None:
    if row.training is None:
        return None
    for one in reuse:
        same = replace(one.method, name=row.name, about=row.about, source=row.source, blend=row.blend)
        if same == row and {**runs.request_of(one), "method": asked["method"]} == asked:
            chosen = {name: value for name, value in one.chosen.items() if name != "alpha"}
            return _Found(one.tuned, chosen, one.seconds)
    return None


def _blended(classifier: AdaptedClassifier, suite: Suite, store: FeatureStore) -> AdaptedClassifier:
    """The strength of the blend with the best val accuracy; ties go to the lower cross-entropy."""
    assert suite.val.labels is not None
    labels = torch.from_numpy(suite.val.labels)
    best, highest = 0.0, LOWEST
    with tempfile.TemporaryDirectory() as passing:  # nobody asks for these features again
        here = store.elsewhere(Path(passing))
        for alpha in ALPHAS:
            candidate = classifier.at(alpha)
            found = val_score(candidate.logits(candidate.views(here, suite.val)), labels)
            if found > highest:
                best, highest = alpha, found
    return replace(classifier, alpha=best, chosen={**classifier.chosen, "alpha": best})


def _threshold(classifier: AdaptedClassifier, suite: Suite, store: FeatureStore) -> float:
    """The highest maximum softmax probability that at least 95 % of the val images reach."""
    confidence = scores.msp(classifier.logits(classifier.views(store, suite.val)))
    lowest = float(confidence.sort(descending=True).values[math.ceil(0.95 * len(confidence)) - 1])
    return lowest * (1 - 1e-6)  # batches of another size round otherwise


def _labelled(images: ImageSet, features: Features) -> Labelled:
    assert images.labels is not None  # train and val have labels by construction
    if features.bad:
        raise UserError(
            f"{len(features.bad)} images of {images.name} cannot be read, the first is "
            f"{features.bad[0].where}; take them out with Suite.without_bad, or mend them"
        )
    return Labelled(features.vectors, torch.from_numpy(images.labels))
