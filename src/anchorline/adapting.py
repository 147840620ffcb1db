"""`adapt`: one method, one encoder, one suite."""

from __future__ import annotations

import time

import torch

from anchorline.classifier import AdaptedClassifier, templates_of
from anchorline.encoder import Encoder
from anchorline.errors import UserError
from anchorline.features import Features, FeatureStore
from anchorline.methods import Method, find_method
from anchorline.suites.images import ImageSet
from anchorline.suites.suite import Suite
from anchorline.tunables import TUNABLES, Problem
from anchorline.tunables.base import Labelled


def adapt(
    encoder: Encoder,
    suite: Suite,
    method: str | Method,
    seed: int = 0,
    store: FeatureStore | None = None,
) -> AdaptedClassifier:
    """Adapt an encoder to a suite's classes: learns from `train`, chooses on `val`, sees nothing else.

    `seconds` of the classifier holds what its method needs: encoding the captions, decoding and
    encoding train and val if it trains (as measured when they were done, if `store` has them),
    and fitting. Raises `UserError` for an unknown method or unreadable images.
    """
    row = find_method(method) if isinstance(method, str) else method
    store = store or FeatureStore()
    templates = templates_of(encoder, row)
    captions = store.classes(encoder, suite.classes, templates)
    seconds = captions.seconds
    train, val = store.images(encoder, suite.train), store.images(encoder, suite.val)
    if row.tunable != "nothing":
        seconds += train.seconds + val.seconds
    begun = time.perf_counter()
    fitted = TUNABLES[row.tunable].fit(
        Problem(
            method=row,
            captions=captions.vectors,
            train=_labelled(suite.train, train),
            val=_labelled(suite.val, val),
        )
    )
    return AdaptedClassifier(
        encoder=encoder,
        method=row,
        classes=suite.classes,
        templates=templates,
        captions=captions.vectors,
        learnt_from={"train": suite.train.content_hash(), "val": suite.val.content_hash()},
        tuned=fitted.tuned,
        chosen=fitted.chosen,
        seconds=seconds + time.perf_counter() - begun,
        seed=seed,
    )


def _labelled(images: ImageSet, features: Features) -> Labelled:
    assert images.labels is not None  # train and val have labels by construction
    if features.bad:
        raise UserError(
            f"{len(features.bad)} images of {images.name} cannot be read, the first is "
            f"{features.bad[0].where}; take them out with Suite.without_bad, or mend them"
        )
    return Labelled(features.vectors, torch.from_numpy(images.labels))
