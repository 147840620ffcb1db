"""What every row of the table of methods keeps over every family of encoders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from anchorline import AdaptedClassifier, Encoder, FeatureStore, Method, Suite, adapt, load
from anchorline.classifier.runs import save
from anchorline.methods.selection import put
from anchorline.methods.tunables import Pretrained
from tests.contracts.method import logits_of, untouched_logits


def one_step(method: Method) -> Method:
    """The same row with one step over all images, of the last of its candidates alone."""
    for path, values in method.search:
        method = put(method, path, values[-1])
    if method.training:
        method = replace(method, training=replace(method.training, epochs=1, batch_size=64))
    return replace(method, search=())


def check_cell(method: Method, encoder: Encoder, suite: Suite, store: FeatureStore, tmp_path: Path) -> None:
    """Fresh it is the untouched encoder; it trains; it predicts; saved and loaded it predicts the same.

    Raises AssertionError. Takes a fraction of a second.
    """
    adapted = adapt(encoder, suite, one_step(method), store=store)
    check_fresh(adapted, suite, store)
    start = adapted.method.tunable.start(pretrained(adapted)).tuned()
    if method.training:
        assert any(not torch.equal(tensor, start[name]) for name, tensor in adapted.tuned.items())
    assert all(tensor.isfinite().all() for tensor in adapted.tuned.values())
    files = [Path(suite.test.where(i)) for i in range(len(suite.test))]
    said = list(adapted.predict(files))
    assert len(said) == len(files)
    save(adapted, tmp_path / "run")
    loaded = load(tmp_path / "run")
    assert loaded.encoder.hash == encoder.hash == replace(encoder).hash  # the anchor did not move
    assert list(loaded.predict(files)) == said
    logits = logits_of(adapted, suite, store)
    assert logits.isfinite().all()
    assert torch.equal(logits_of(loaded, suite, FeatureStore(tmp_path / "another store")), logits)


def check_fresh(adapted: AdaptedClassifier, suite: Suite, store: FeatureStore) -> None:
    """Before its first step a method computes what the encoder does, where a frame starts from nothing."""
    if adapted.method.tunable.has_frame:
        adapted = replace(adapted, method=put(adapted.method, "tunable.start_from", "zero"))
    start = adapted.method.tunable.start(pretrained(adapted)).tuned()
    fresh = replace(adapted, tuned=start, alpha=0.0)
    expected = untouched_logits(adapted, suite, store)
    torch.testing.assert_close(logits_of(fresh, suite, store), expected, rtol=1e-4, atol=1e-4)
    vectors = adapted.encoder.encode_classes(adapted.classes, adapted.templates)
    torch.testing.assert_close(fresh.adaptation.class_vectors().detach(), vectors, rtol=1e-5, atol=1e-5)


def pretrained(adapted: AdaptedClassifier) -> Pretrained:
    return Pretrained(adapted.encoder, adapted.classes, adapted.templates, adapted.captions, adapted.seed)
