"""What a method learns from: captions, features and pixels of train and val, prepared before a clock runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from anchorline.classifier import runs
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.feature_files import Features
from anchorline.encoders.features import FeatureStore
from anchorline.engine.progress import Narrator
from anchorline.errors import UserError
from anchorline.methods.table import Method
from anchorline.methods.tunables import Labelled, Pretrained
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.suite import Suite
from anchorline.tasks.classification.problem import Examples


@dataclass(frozen=True, eq=False)
class Material:
    """What one method learns from.

    Attributes:
        encoder, suite, method, seed: of the run.
        store: decoded images and features.
        narrator: tells how far decoding is.
    """

    encoder: Encoder
    suite: Suite
    method: Method
    seed: int
    store: FeatureStore
    narrator: Narrator

    @cached_property
    def pretrained(self) -> Pretrained:
        """What a tunable starts from. Raises `UserError` for images that cannot be read."""
        templates = runs.templates_of(self.encoder, self.method)
        train, val = (
            _labelled(images, self._features(images)) for images in (self.suite.train, self.suite.val)
        )
        captions = self.store.classes(self.encoder, self.suite.classes, templates).vectors
        return Pretrained(
            self.encoder, self.suite.classes, templates, captions, self.seed, train=train, val=val
        )

    @property
    def seconds(self) -> float:
        """Seconds that captions and features have taken, whenever they were made."""
        found = self.store.classes(self.encoder, self.suite.classes, self.pretrained.templates).seconds
        if self.method.tunable.trains:
            found += sum(self._features(images).seconds for images in (self.suite.train, self.suite.val))
        return found

    @property
    def learns_from_pixels(self) -> bool:
        """Whether images of train pass the image tower at each step: it is trained, or they are augmented."""
        training = self.method.training
        return self.method.tunable.changes_images or bool(training and training.augmentation != "none")

    def prepare(self) -> None:
        """Decode and encode, so that training alone is timed afterwards."""
        train, val = self.suite.train, self.suite.val
        for images in [train] * self.learns_from_pixels + [val] * self.method.tunable.changes_images:
            bar = self.narrator.bar(f"{images.name}, decoding")
            self.store.pixels(self.encoder.geometry, images, bar)
        self.pretrained  # noqa: B018 (kept)

    def examples(self, images: ImageSet, pixels: bool) -> Examples:
        """The images of a set with their labels: decoded pixels, or features."""
        labels = torch.from_numpy(images.labels)
        if pixels:
            inputs = torch.from_numpy(self.store.pixels(self.encoder.geometry, images)[0])
        else:
            inputs = self._features(images).vectors
        return Examples(inputs, labels)

    def let_go(self) -> None:
        """Keep no features in memory."""
        self.__dict__.pop("pretrained", None)

    def _features(self, images: ImageSet) -> Features:
        return self.store.images(self.encoder, images)


def _labelled(images: ImageSet, features: Features) -> Labelled:
    assert images.labels is not None  # train and val have labels by construction
    if features.bad:
        raise UserError(
            f"{len(features.bad)} images of {images.name} cannot be read, the first is "
            f"{features.bad[0].where}; take them out with Suite.without_bad, or mend them"
        )
    return Labelled(features.vectors, torch.from_numpy(images.labels))
