"""What a tunable is given, and what it gives back: an encoder with parts that can be trained."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeAlias, cast, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anchorline.encoders.captions import captions_of, word_template
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.text_tower import TextTower
from anchorline.methods.tunables.linear_probe import LinearHead, fit_head
from anchorline.methods.tuned import TunableModel

_WORDS = 256  # encoded at a time
_FEATURES = 2  # dimensions of a batch of them

# The captions that compete: the mean over the templates of each class (None), one template of each, or pairs
# of class and template, int64 [P, 2].
Captions: TypeAlias = int | Tensor | None


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
    template_an_image = False  # whether each image of a batch draws one of its own
    unit_features = True  # whether image features are unit vectors; else as they leave the tower

    def __init__(self, pretrained: Pretrained) -> None:
        super().__init__()
        self.pretrained = pretrained
        self.chosen: dict[str, float] = {}  # hyper-parameters that starting has chosen on val
        self.register_buffer("captions", pretrained.captions.to(pretrained.encoder.device), persistent=False)

    @property
    def encoder(self) -> Encoder:
        return self.pretrained.encoder

    def features(self, images: Tensor) -> Tensor:
        """Pixels in [0, 1], float32 [N, 3, H, W] -> unit vectors [N, D], unless `unit_features` is false."""
        return self.encoder.forward_images(self.encoder.standardise(images))

    @property
    def image_tower(self) -> nn.Module:
        """What makes features of `tower_input`."""
        return self.encoder.image_tower

    def tower_input(self, images: Tensor) -> Tensor:
        """Pixels in [0, 1], float32 [N, 3, H, W] -> what the image tower wants."""
        return self.encoder.standardise(images)

    def class_vectors(self, captions: Captions = None) -> Tensor:
        """Unit vectors [C, D] of the captions that compete; see `Captions`."""
        return cast(Tensor, self.captions)

    def word_vectors(self, words: Sequence[str], template: str = "") -> Tensor | None:
        """Unit vectors [W, D] of words, each in one caption, of `template`, or as classes are captioned;
        None: those of the untouched encoder."""
        return None

    def classifier(self, captions: Captions = None) -> tuple[Tensor, Tensor]:
        """weight [C, D] and bias [C] on image features."""
        vectors = self.class_vectors(captions)
        return self.encoder.logit_scale * vectors, vectors.new_zeros(len(vectors))

    def forward(self, x: Tensor, captions: Captions = None) -> Tensor:
        """Logits [N, C] of pixels [N, 3, H, W] in [0, 1], or of features [N, D] if those do not change."""
        return self.logits(x, self.classifier(captions))

    def logits(self, x: Tensor, classifier: tuple[Tensor, Tensor]) -> Tensor:
        """The same with a classifier that is at hand."""
        features = x if x.ndim == _FEATURES else self.features(x)
        weight, bias = classifier
        with torch.autocast(x.device.type, enabled=False):  # in bf16 a logit of 30 is off by 0.1
            return features.float() @ weight.float().T + bias.float()

    def grown_from(self, before: AdaptedModel) -> dict[str, Tensor]:
        """The tuned tensors of `before`, in the shapes of this model, whose classes hold those of `before`.

        Both come from one tunable. What `before` lacks, such as the rows of new classes, is as this model
        starts it.
        """
        grown = self.tuned()
        for name, tensor in before.tuned().items():
            places = self.rows_from(name, before)
            if places is None:
                grown[name].copy_(tensor)
            else:
                grown[name][places] = tensor
        return grown

    def rows_from(self, name: str, before: AdaptedModel) -> Tensor | None:
        """Where the rows of a tuned tensor of `before` go in ours, int64 [rows]; None: the tensor has the
        same shape whatever the classes are."""
        return None

    def tuned_encoder(self) -> Encoder:
        """The encoder with the trained weights in place of its own: the anchor of what is trained next.

        The encoder itself where no pre-trained weights are trained.
        """
        return self.encoder


class Captioned(AdaptedModel):
    """An adaptation whose class vectors come out of a text tower anew each time."""

    def __init__(self, pretrained: Pretrained) -> None:
        super().__init__(pretrained)
        self.register_buffer("tokens", pretrained.tokens(), persistent=False)
        self.templates = len(pretrained.templates)

    def encode(self, tokens: Tensor) -> Tensor:
        """int64 [N, L] -> unit vectors [N, D]."""
        return TextTower(self.encoder.model)(tokens)

    def class_vectors(self, captions: Captions = None) -> Tensor:
        tokens = cast(Tensor, self.tokens)
        if captions is None:
            return self._mean(tokens)
        if isinstance(captions, int):
            return self.encode(tokens[:, captions])
        classes, templates = captions.to(tokens.device).unbind(1)
        return self.encode(tokens[classes, templates])

    def word_vectors(self, words: Sequence[str], template: str = "") -> Tensor | None:
        templates = (template,) if template else word_template(self.pretrained.templates)
        tokens = replace(self.pretrained, classes=tuple(words), templates=templates).tokens()
        return torch.cat([self._mean(part) for part in torch.split(tokens, _WORDS)])

    def _mean(self, tokens: Tensor) -> Tensor:
        """int64 [C, T, L] -> unit vectors [C, D], the means over the templates."""
        n_classes, n_templates, length = tokens.shape
        found = self.encode(tokens.view(-1, length)).view(n_classes, n_templates, -1)
        return F.normalize(found.mean(1), dim=-1)


@runtime_checkable
class Tunable(Protocol):
    """What is trained: a frozen dataclass, whose fields are the choices.

    A subclass gives `name` and `start`, and says where it differs from what is declared here. Nothing else
    knows it by its class.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """For the table of methods."""

    @abstractmethod
    def start(self, pretrained: Pretrained) -> AdaptedModel:
        """The encoder with what is trained at its first values. Raises `UserError`."""

    def complaint(self) -> str:
        """What is wrong with its numbers, whatever the encoder, after "NAME has"; "": nothing."""
        return ""

    @property
    def unfollowed(self) -> Mapping[str, str]:
        """Fields of `Training` that change nothing here, and what to do instead."""
        return {}

    @property
    def changes_images(self) -> bool:
        """Whether training looks at pixels; else at features of the untouched encoder."""
        return False

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return True

    @property
    def trains_weights(self) -> bool:
        """Whether pre-trained weights are trained, which a constraint can hold."""
        return False

    @property
    def fitted_at_start(self) -> bool:
        """Whether `start` may be all of the training, without gradients."""
        return False

    @property
    def starts_untouched(self) -> bool:
        """Whether `start` without data computes what the untouched encoder does, so that a blend of weights
        has something to go back to."""
        return True

    @property
    def unit_features(self) -> bool:
        """Whether its image features are unit vectors, as the pre-trained ones are."""
        return True

    @property
    def has_frame(self) -> bool:
        """Whether images get a learned frame, which the report shows."""
        return False

    def layer_name(self, tensor: str) -> str:
        """How the report names the layer of a tuned tensor: the image tower's are called "tower.…"."""
        return tensor


@dataclass(frozen=True)
class Nothing(Tunable):
    """Nothing is trained: the encoder's own zero-shot classifier (arXiv 2103.00020, section 3.1)."""

    name = "nothing"
    trains = False

    def start(self, pretrained: Pretrained) -> AdaptedModel:
        return AdaptedModel(pretrained)


choices = {"nothing": Nothing()}  # after --set tunable=
