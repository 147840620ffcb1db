"""What a tunable is given, and what it gives back: an encoder with parts that can be trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anchorline.encoders.captions import captions_of, word_template
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.text_tower import TextTower
from anchorline.methods.tunables.linear_probe import LinearHead, fit_head
from anchorline.methods.tuned import TunableModel

_WORDS = 256  # encoded at a time


@dataclass(frozen=True, eq=False)
class Labelled:
    """Features of a set with its labels: unit vectors float32 [N, D], int64 [N]."""

    features: Tensor
    labels: Tensor


@dataclass(frozen=True, eq=False)
class Pretrained:
    """One encoder and the classes that it is to tell apart.

    Attributes:
        encoder: pre-trained; nobody changes it.
        classes: names.
        templates: the captions of a class, each with one `{}`.
        captions: class vectors of the untouched encoder, unit, float32 [C, D].
        seed: of all random numbers.
        train, val: features of the untouched encoder; None where a classifier is only loaded.
    """

    encoder: Encoder
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    captions: Tensor
    seed: int = 0
    train: Labelled | None = None
    val: Labelled | None = None

    def tokens(self) -> Tensor:
        """Token numbers of all captions, int64 [C, T, L]."""
        found = cast(Tensor, self.encoder.tokenizer(captions_of(self.classes, self.templates)))
        return found.to(self.encoder.device).view(len(self.classes), len(self.templates), -1)

    def linear_probe(self, strengths: tuple[float, ...]) -> LinearHead | None:
        """Logistic regression on train, chosen on val (`fit_head`), fitted once; None without features."""
        if self.train is None or self.val is None:
            return None
        if strengths not in self._probes:
            self._probes[strengths] = fit_head(
                self.train.features, self.train.labels, self.val.features, self.val.labels, strengths
            )
        return self._probes[strengths]

    @cached_property
    def _probes(self) -> dict[tuple[float, ...], LinearHead]:
        return {}

    def generator(self) -> torch.Generator:
        """Random numbers for what starts at random."""
        return torch.Generator().manual_seed(self.seed)


class AdaptedModel(TunableModel):
    """An encoder with tuned parts.

    Fresh from `Tunable.start` it computes what the untouched encoder does, unless its tunable says otherwise.
    This class is the untouched encoder; kinds of tunables override what they change.
    """

    changes_images = False  # whether image features differ from those of the untouched encoder
    templates = 1  # captions of a class that training may draw from

    def __init__(self, pretrained: Pretrained) -> None:
        super().__init__()
        self.pretrained = pretrained
        self.chosen: dict[str, float] = {}  # hyper-parameters that starting has chosen on val
        self.register_buffer("captions", pretrained.captions.to(pretrained.encoder.device), persistent=False)

    @property
    def encoder(self) -> Encoder:
        return self.pretrained.encoder

    def features(self, images: Tensor) -> Tensor:
        """Pixels in [0, 1], float32 [N, 3, H, W] -> unit vectors [N, D]."""
        return self.encoder.forward_images(self.encoder.standardise(images))

    @property
    def image_tower(self) -> nn.Module:
        """What makes features of `tower_input`."""
        return self.encoder.image_tower

    def tower_input(self, images: Tensor) -> Tensor:
        """Pixels in [0, 1], float32 [N, 3, H, W] -> what the image tower wants."""
        return self.encoder.standardise(images)

    def class_vectors(self, template: int | None = None) -> Tensor:
        """Unit vectors [C, D]; of one template, or the mean over all."""
        return cast(Tensor, self.captions)

    def word_vectors(self, words: Sequence[str]) -> Tensor | None:
        """Unit vectors [W, D] of words, each in one caption; None: those of the untouched encoder."""
        return None

    def classifier(self, template: int | None = None) -> tuple[Tensor, Tensor]:
        """weight [C, D] and bias [C] on unit image features."""
        vectors = self.class_vectors(template)
        return self.encoder.logit_scale * vectors, vectors.new_zeros(len(vectors))

    def forward(self, x: Tensor, template: int | None = None) -> Tensor:
        """Logits [N, C] of pixels, or of image features [N, D] if those do not change."""
        return self.logits(x, self.classifier(template))

    def logits(self, x: Tensor, classifier: tuple[Tensor, Tensor]) -> Tensor:
        """The same with a classifier that is at hand."""
        features = self.features(x) if self.changes_images else x
        weight, bias = classifier
        with torch.autocast(x.device.type, enabled=False):  # in bf16 a logit of 30 is off by 0.1
            return features.float() @ weight.float().T + bias.float()


class Captioned(AdaptedModel):
    """An adaptation whose class vectors come out of a text tower anew each time."""

    def __init__(self, pretrained: Pretrained) -> None:
        super().__init__(pretrained)
        self.register_buffer("tokens", pretrained.tokens(), persistent=False)
        self.templates = len(pretrained.templates)

    def encode(self, tokens: Tensor) -> Tensor:
        """int64 [N, L] -> unit vectors [N, D]."""
        return TextTower(self.encoder.model)(tokens)

    def class_vectors(self, template: int | None = None) -> Tensor:
        tokens = cast(Tensor, self.tokens)
        return self._mean(tokens) if template is None else self.encode(tokens[:, template])

    def word_vectors(self, words: Sequence[str]) -> Tensor | None:
        templates = word_template(self.pretrained.templates)
        tokens = replace(self.pretrained, classes=tuple(words), templates=templates).tokens()
        return torch.cat([self._mean(part) for part in torch.split(tokens, _WORDS)])

    def _mean(self, tokens: Tensor) -> Tensor:
        """int64 [C, T, L] -> unit vectors [C, D], the means over the templates."""
        n_classes, n_templates, length = tokens.shape
        found = self.encode(tokens.view(-1, length)).view(n_classes, n_templates, -1)
        return F.normalize(found.mean(1), dim=-1)


class Tunable(Protocol):
    """A frozen dataclass that says what is trained; its fields are the choices."""

    @property
    def name(self) -> str:
        """For the table of methods."""

    @property
    def changes_images(self) -> bool:
        """Whether training looks at pixels; else at features of the untouched encoder."""

    def start(self, pretrained: Pretrained) -> AdaptedModel:
        """The encoder with what is trained at its first values. Raises `UserError`."""


@dataclass(frozen=True)
class Nothing:
    """Nothing is trained: the encoder's own zero-shot classifier (arXiv 2103.00020, section 3.1)."""

    name = "nothing"
    changes_images = False

    def start(self, pretrained: Pretrained) -> AdaptedModel:
        return AdaptedModel(pretrained)
