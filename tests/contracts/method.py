"""The contract that every row of the table of methods keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from anchorline import AdaptedClassifier, Encoder, FeatureStore, Method, Suite, adapt, load
from anchorline.classifier.runs import save
from anchorline.methods.selection import put
from anchorline.methods.settings import from_json, to_json
from anchorline.methods.table import Search
from anchorline.methods.tunables import Pretrained
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.sources import Folder


def short(method: Method) -> Method:
    """The same row with little to train."""
    if method.training is None:
        return method
    training = replace(method.training, epochs=2, batch_size=8)
    return replace(method, training=training, search=_two_trials(method.search))


def _two_trials(search: Search) -> Search:
    (path, some), *others = search
    return ((path, some[-2:]), *((other, values[-1:]) for other, values in others))


def check_method(method: Method, encoder: Encoder, suite: Suite, tmp_path: Path) -> None:
    """Raises AssertionError where a method breaks the contract. Takes seconds.

    `suite` must be of folders, with at least one shift and one outlier set.
    """
    method = short(method)
    store = FeatureStore(tmp_path / "store")
    first = adapt(encoder, suite, method, store=store)
    logits = logits_of(first, suite, store)
    assert logits.shape == (len(suite.test), len(suite.classes))
    assert logits.isfinite().all()
    assert 0 <= first.seconds < 60
    assert 0 < first.threshold <= 1
    assert first.adaptation.changes_images == method.tunable.changes_images
    assert from_json(json.loads(json.dumps(to_json(method)))) == method
    check_same_again(first, suite, logits, tmp_path)
    check_only_train_and_val_are_read(first, suite, logits, tmp_path)
    check_saved(first, suite, store, tmp_path / "run")
    check_zero_strength(first, suite, store)
    if method.training:
        check_interrupted(first, suite, logits, tmp_path)
    assert replace(encoder).hash == encoder.hash, "the anchor moved"  # a copy, because hashes are kept
    if not method.tunable.trains:
        assert first.tuned == {}
        assert first.parameters == 0


def logits_of(classifier: AdaptedClassifier, suite: Suite, store: FeatureStore) -> Tensor:
    return classifier.logits(classifier.views(store, suite.test))


def check_same_again(first: AdaptedClassifier, suite: Suite, logits: Tensor, tmp_path: Path) -> None:
    """The same seed gives the same bits, whatever the state of torch's own random numbers."""
    torch.manual_seed(12345)
    store = FeatureStore(tmp_path / "another store")
    again = adapt(first.encoder, suite, first.method, store=store)
    assert torch.equal(logits_of(again, suite, store), logits)
    assert again.chosen == first.chosen


def check_only_train_and_val_are_read(
    first: AdaptedClassifier, suite: Suite, logits: Tensor, tmp_path: Path
) -> None:
    def gone(images: ImageSet) -> ImageSet:
        return replace(images, source=Folder(tmp_path / "nowhere"))

    blind = replace(
        suite,
        test=gone(suite.test),
        shifts={name: gone(images) for name, images in suite.shifts.items()},
        outliers={name: gone(images) for name, images in suite.outliers.items()},
    )
    assert blind.shifts
    assert blind.outliers
    store = FeatureStore(tmp_path / "store without test")
    found = adapt(first.encoder, blind, first.method, store=store)
    assert torch.equal(logits_of(found, suite, store), logits)


def check_saved(first: AdaptedClassifier, suite: Suite, store: FeatureStore, run: Path) -> None:
    """Saved and loaded, by encoder name and with the encoder at hand: the same bits."""
    save(first, run)
    views = first.views(store, suite.test)
    for encoder in (None, first.encoder):
        loaded = load(run, encoder)
        again = loaded.views(FeatureStore(run.parent / "store of loaded"), suite.test)
        assert torch.equal(loaded.logits(again), first.logits(views))
        assert torch.equal(loaded.cosines(again), first.cosines(views))
        for field in (
            *("method", "classes", "chosen", "seconds", "seed", "parameters", "alpha", "threshold"),
            *("peak_memory", "learnt_from"),
        ):
            assert getattr(loaded, field) == getattr(first, field), field
    with safe_open(run / "tuned.safetensors", framework="pt") as stored:
        sizes = {name: stored.get_tensor(name).numel() for name in stored.keys()}  # noqa: SIM118
    assert sizes == {name: tensor.numel() for name, tensor in first.tuned.items()}
    assert sum(sizes.values()) == first.parameters
    facts = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert facts["encoder_hash"] == first.encoder.hash
    assert tuple(facts["classes"]) == first.classes
    # No pickles: two files, one of them text and the other read by safetensors above.
    assert sorted(path.name for path in run.rglob("*")) == ["config.json", "tuned.safetensors"]


def check_zero_strength(first: AdaptedClassifier, suite: Suite, store: FeatureStore) -> None:
    """Not trained, it is what its tunable starts with; that, and blended all the way back, is the untouched
    encoder."""
    method, tunable = first.method, first.method.tunable
    expected = untouched_logits(first, suite, store)
    pretrained = Pretrained(first.encoder, first.classes, first.templates, first.captions, first.seed)
    start = tunable.start(pretrained).tuned()
    if tunable.starts_untouched:
        fresh = replace(first, tuned=start, alpha=0.0)
        torch.testing.assert_close(logits_of(fresh, suite, store), expected, rtol=1e-4, atol=1e-4)
    if method.training and not tunable.fitted_at_start:
        still = adapt(first.encoder, suite, put(method, "training.epochs", 0), store=store)
        assert_same_tensors(still.tuned, start)
    if method.blend.blends:
        all_the_way = first.at(1.0)
        torch.testing.assert_close(logits_of(all_the_way, suite, store), expected, rtol=1e-4, atol=1e-4)
        cosines = all_the_way.cosines(all_the_way.views(store, suite.test))
        torch.testing.assert_close(cosines, expected / first.encoder.logit_scale, rtol=1e-4, atol=1e-5)


def assert_same_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def untouched_logits(first: AdaptedClassifier, suite: Suite, store: FeatureStore) -> Tensor:
    encoder = first.encoder
    captions = encoder.encode_classes(first.classes, first.templates)
    return encoder.logit_scale * store.images(encoder, suite.test).vectors @ captions.T


class Interrupting:
    """A narrator whose bar interrupts at the n-th step that it is told of."""

    def __init__(self, at: int) -> None:
        self.left = at

    def say(self, sentence: str) -> None:
        return

    def bar(self, title: str, unit: str = "images"):
        def tell(done: int, total: int) -> None:
            self.left -= unit == "steps"
            if unit == "steps" and self.left == 0:
                raise KeyboardInterrupt

        return tell


def check_interrupted(first: AdaptedClassifier, suite: Suite, logits: Tensor, tmp_path: Path) -> None:
    """Interrupted at several steps, of the first and of the second trial, and resumed: the same bits."""
    store = FeatureStore(tmp_path / "store")
    run = tmp_path / "interrupted"
    for at in (2, 2, 5):
        with pytest.raises(KeyboardInterrupt), always_kept():
            adapt(first.encoder, suite, first.method, store=store, run=run, narrator=Interrupting(at))
    torch.manual_seed(54321)
    resumed = adapt(first.encoder, suite, first.method, store=store, run=run)
    assert torch.equal(logits_of(resumed, suite, store), logits)
    assert_same_tensors(resumed.tuned, first.tuned)
    assert resumed.chosen == first.chosen
    assert not list(run.rglob("checkpoint*"))
    again = adapt(first.encoder, suite, first.method, store=store, run=run, narrator=Interrupting(1))
    assert again.seconds == resumed.seconds  # finished: not run again


@contextmanager
def always_kept() -> Iterator[None]:
    """Training keeps its state after every step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anchorline.training.loop.KEEP_EVERY", 0.0)
        yield
