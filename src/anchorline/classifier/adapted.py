"""The adapted classifier: what a method returns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anchorline.classifier.prediction import Prediction, predict
from anchorline.encoders.captions import word_template
from anchorline.encoders.encoder import Encoder, encode_pixels
from anchorline.encoders.features import FeatureStore
from anchorline.engine.parallel import Progress
from anchorline.methods.blends import LinearOutputs
from anchorline.methods.settings import to_json
from anchorline.methods.table import Method
from anchorline.methods.tunables import AdaptedModel, Pretrained
from anchorline.suites.images.decode import Geometry
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.rgb import Pixels


@dataclass(frozen=True, eq=False)
class FeaturePair:
    """Image features [N, D] under the adapted and under the untouched encoder: unit vectors, unless the
    adaptation says otherwise. They may be the same tensor where nothing that images pass through was tuned,
    or the blend has no use for the second."""

    adapted: Tensor
    untouched: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Classifier:
    """A pre-trained encoder with what a method has tuned, blended: logits over a list of classes.

    Attributes:
        encoder: the pre-trained one, untouched.
        method: the row of the table.
        classes: names; logits have their order.
        templates: the captions of a class, each with one `{}`.
        captions: class vectors of the untouched encoder, unit, float32 [C, D].
        tuned: the trained tensors by name, before blending.
        alpha: the strength of the blend, the share of the pre-trained part.
        seed: of all random numbers.
    """

    encoder: Encoder
    method: Method
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    captions: Tensor
    tuned: dict[str, Tensor]
    alpha: float
    seed: int

    @property
    def parameters(self) -> int:
        """How many numbers were trained."""
        return sum(tensor.numel() for tensor in self.tuned.values())

    def at(self, alpha: float) -> Self:
        """The same at another strength of its blend; nothing is trained anew."""
        return replace(self, alpha=alpha)

    @property
    def geometry(self) -> Geometry:
        """How images are decoded for it."""
        return self.encoder.geometry

    @cached_property
    def adaptation(self) -> AdaptedModel:
        """The encoder with its tuned parts in place, weights blended."""
        pretrained = Pretrained(self.encoder, self.classes, self.templates, self.captions, self.seed)
        adaptation = self.method.tunable.start(pretrained)
        adaptation.put(self.method.blend.weights(self.tuned, adaptation.tuned(), self.alpha))
        return adaptation.eval()

    @cached_property
    def image_encoder(self) -> Encoder | AdaptedImages:
        """Pixels to features; the untouched encoder itself where images meet nothing that was tuned."""
        return AdaptedImages(self) if self.adaptation.changes_images else self.encoder

    def views(self, store: FeatureStore, images: ImageSet, progress: Progress | None = None) -> FeaturePair:
        """Features of a set, out of the store or kept there. Raises `UserError`."""
        return FeaturePair(
            store.images(self.image_encoder, images, progress).vectors,
            store.images(self.encoder, images).vectors,
        )

    @torch.no_grad()
    def view(self, views: FeaturePair) -> LinearOutputs:
        """Blended image features [N, D'] and the linear classifier that reads them."""
        weight, bias = self._head
        return self._blended(views, weight, bias, self.encoder.logit_scale)

    def logits(self, views: FeaturePair) -> Tensor:
        """Float32 [N, C]; a softmax over them gives the confidence."""
        return self.view(views).logits

    @torch.no_grad()
    def cosines(self, views: FeaturePair) -> Tensor:
        """Cosines between images and class captions [N, C], as the adapted encoder sees both, blended."""
        if not self.adaptation.unit_features:
            views = replace(views, adapted=F.normalize(views.adapted, dim=-1))
        return self._captioned(views).logits

    @torch.no_grad()
    def word_vectors(self, store: FeatureStore, words: Sequence[str], template: str = "") -> Tensor:
        """Unit vectors [W, D'] of words in the space of the blended features, each in one caption: of
        `template`; "": as classes are captioned."""
        templates = (template,) if template else word_template(self.templates)
        untouched = store.classes(self.encoder, words, templates).vectors
        adapted = self.adaptation.word_vectors(words, template)
        adapted = untouched if adapted is None else adapted.cpu()
        nothing, none = torch.zeros(0, untouched.shape[1]), torch.zeros(len(words))
        seen = self.method.blend.view(
            LinearOutputs(nothing, adapted, none), LinearOutputs(nothing, untouched, none), self.alpha
        )
        return F.normalize(seen.weight, dim=-1)

    @torch.no_grad()
    def caption_vectors(self) -> Tensor:
        """Unit vectors [C, D'] of the class captions, in the space of the blended features."""
        nothing = torch.zeros(0, self.captions.shape[1])
        return F.normalize(self._captioned(FeaturePair(nothing, nothing)).weight, dim=-1)

    def _captioned(self, views: FeaturePair) -> LinearOutputs:
        return self._blended(views, self._class_vectors, torch.zeros(len(self.classes)), 1.0)

    def _blended(self, views: FeaturePair, weight: Tensor, bias: Tensor, scale: float) -> LinearOutputs:
        untouched = LinearOutputs(views.untouched, scale * self.captions, torch.zeros(len(self.classes)))
        return self.method.blend.view(LinearOutputs(views.adapted, weight, bias), untouched, self.alpha)

    @cached_property
    @torch.no_grad()
    def _head(self) -> tuple[Tensor, Tensor]:
        weight, bias = self.adaptation.classifier()
        return weight.detach().cpu(), bias.detach().cpu()

    @cached_property
    @torch.no_grad()
    def _class_vectors(self) -> Tensor:
        return self.adaptation.class_vectors().cpu()

    def features_of(self, pixels: Pixels) -> FeaturePair:
        """uint8 [N, H, W, 3], decoded with the encoder's geometry -> features."""
        adapted = self.image_encoder.encode_images(pixels)
        if not self.adaptation.changes_images or not self.method.blend.needs_pretrained:
            return FeaturePair(adapted, adapted)
        return FeaturePair(adapted, self.encoder.encode_images(pixels))

    def logits_of(self, pixels: Pixels) -> Tensor:
        """uint8 [N, H, W, 3], decoded with the encoder's geometry -> logits, float32 [N, C]."""
        return self.logits(self.features_of(pixels))


@dataclass(frozen=True, eq=False, kw_only=True)
class AdaptedClassifier(Classifier):
    """A classifier, and how it came to be.

    Attributes:
        learnt_from: hashes of the images and labels of train and val.
        chosen: hyper-parameters that were chosen on val.
        seconds: wall time of adapting, the features of train and val included; see `adapt`.
        threshold: the maximum softmax probability that 95 % of the validation images reach.
        peak_memory: MiB while adapting: of the device if it is a GPU, else of the process (resident).
    """

    learnt_from: dict[str, str]
    chosen: dict[str, float]
    seconds: float
    threshold: float
    peak_memory: float

    @classmethod
    def of(cls, classifier: Classifier, **record: Any) -> Self:
        """A classifier with its record: the attributes that `Classifier` lacks."""
        own = {field.name: getattr(classifier, field.name) for field in fields(Classifier)}
        return cls(**own, **record)

    def predict(
        self, images: Iterable[str | Path], bad_images: Literal["error", "skip"] = "error"
    ) -> Iterator[Prediction]:
        """What it says of image files, in their order; see `anchorline.classifier.prediction.predict`."""
        return predict(self, images, bad_images)


class AdaptedImages:
    """The image side of a classifier, as a feature store wants it."""

    def __init__(self, classifier: Classifier) -> None:
        self._adaptation = classifier.adaptation
        encoder = classifier.encoder
        self.device: torch.device = encoder.device
        self.geometry: Geometry = encoder.geometry
        self.preprocessing: str = encoder.preprocessing
        digest = hashlib.sha256(encoder.hash.encode())
        digest.update(json.dumps(to_json(classifier.method)["tunable"], sort_keys=True).encode())
        for name, tensor in sorted(self._adaptation.tuned().items()):
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.numpy().tobytes())
        self.hash = digest.hexdigest()[:16]

    @property
    def image_tower(self) -> nn.Module:
        return self._adaptation.image_tower

    def standardise(self, images: Tensor) -> Tensor:
        """Pixels [N, 3, H, W] in [0, 1] -> what the image tower wants."""
        return self._adaptation.tower_input(images)

    def encode_images(self, pixels: Pixels, progress: Progress | None = None) -> Tensor:
        """uint8 [N, H, W, 3] -> unit vectors, float32 [N, D], on the CPU."""
        return encode_pixels(self._adaptation.features, pixels, self.device, progress)
