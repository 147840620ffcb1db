"""The contract that every row of the table of methods keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import safe_open

from anchorline import AdaptedClassifier, Encoder, FeatureStore, Method, Suite, adapt, load
from anchorline.captions import SINGLE_TEMPLATE
from anchorline.suites.images import Folder, ImageSet


def check_method(method: Method, encoder: Encoder, suite: Suite, tmp_path: Path) -> None:
    """Raises AssertionError where a method breaks the contract. Takes about a second.

    `suite` must be of folders, with at least one shift and one outlier set.
    """
    first = adapt(encoder, suite, method, store=FeatureStore(tmp_path / "store"))
    features = FeatureStore(tmp_path / "store").images(encoder, suite.test).vectors
    logits = first.logits(features)
    assert logits.shape == (len(features), len(suite.classes))
    assert logits.isfinite().all()
    assert 0 <= first.seconds < 60
    check_same_again(first, suite, features, tmp_path)
    check_only_train_and_val_are_read(first, suite, features, tmp_path)
    check_saved(first, features, tmp_path / "run")
    assert replace(encoder).hash == encoder.hash, "the anchor moved"  # a copy, because hashes are kept
    if method.tunable == "nothing":
        check_untouched(first, features)


def check_same_again(first: AdaptedClassifier, suite: Suite, features: torch.Tensor, tmp_path: Path) -> None:
    """The same seed gives the same bits, whatever the state of torch's own random numbers."""
    torch.manual_seed(12345)
    again = adapt(first.encoder, suite, first.method, store=FeatureStore(tmp_path / "another store"))
    assert torch.equal(again.logits(features), first.logits(features))
    assert again.chosen == first.chosen
    assert again.configuration_hash == first.configuration_hash


def check_only_train_and_val_are_read(
    first: AdaptedClassifier, suite: Suite, features: torch.Tensor, tmp_path: Path
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
    assert torch.equal(found.logits(features), first.logits(features))


def check_saved(first: AdaptedClassifier, features: torch.Tensor, run: Path) -> None:
    """Saved and loaded, by encoder name and with the encoder at hand: the same bits."""
    first.save(run)
    for encoder in (None, first.encoder):
        loaded = load(run, encoder)
        assert torch.equal(loaded.logits(features), first.logits(features))
        assert torch.equal(loaded.cosines(features), first.cosines(features))
        for field in ("method", "classes", "chosen", "seconds", "seed", "parameters"):
            assert getattr(loaded, field) == getattr(first, field)
        assert loaded.configuration_hash == first.configuration_hash
    with safe_open(run / "tuned.safetensors", framework="pt") as stored:
        sizes = {name: stored.get_tensor(name).numel() for name in stored.keys()}  # noqa: SIM118
    assert sizes == {name: tensor.numel() for name, tensor in first.tuned.items()}
    assert sum(sizes.values()) == first.parameters
    facts = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert facts["encoder_hash"] == first.encoder.hash
    assert tuple(facts["classes"]) == first.classes
    # No pickles: two files, one of them text and the other read by safetensors above.
    assert sorted(path.name for path in run.rglob("*")) == ["config.json", "tuned.safetensors"]


def check_untouched(first: AdaptedClassifier, features: torch.Tensor) -> None:
    """Nothing tuned: the logits are the encoder's cosines times its logit scale."""
    assert first.tuned == {}
    assert first.parameters == 0
    encoder = first.encoder
    templates = SINGLE_TEMPLATE if first.method.captions == "single" else encoder.templates
    cosines = features @ encoder.encode_classes(first.classes, templates).T
    torch.testing.assert_close(first.cosines(features), cosines)
    torch.testing.assert_close(first.logits(features), encoder.logit_scale * cosines)
