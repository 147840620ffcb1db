"""Image classification, as the training loop sees it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from anchorline.encoders.encoder import as_images, images_at_once
from anchorline.methods.hyperparameters import Training
from anchorline.methods.objectives import Objective
from anchorline.methods.selection import ValScore, val_score
from anchorline.methods.tunables import AdaptedModel
from anchorline.methods.tunables.base import Captions
from anchorline.training.augmentation import augment

_PIXELS = 4  # dimensions of images


@dataclass(frozen=True, eq=False)
class Examples:
    """What a loop reads.

    Attributes:
        inputs: uint8 pixels [M, H, W, 3]; or float32 features [M, D] for what leaves images alone.
        labels: int64 [N].
        rows: the inputs that are examples, int64 [N]; None: all, N = M. What is no example is never read, so
            that part of a set on disk takes no memory.
    """

    inputs: Tensor
    labels: Tensor
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def pixels(self) -> bool:
        """Whether the inputs are pixels; else they are features."""
        return self.inputs.ndim == _PIXELS

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        """The inputs of some examples, by their numbers."""
        return self.inputs[chosen] if self.rows is None else self.inputs[self.rows[chosen]]


@dataclass(frozen=True, eq=False)
class Classification:
    """An adaptation that learns to tell classes apart; val chooses by accuracy (ties: lower cross-entropy).

    Attributes:
        model: on its encoder's device.
        objective: a loss on logits and labels.
        training: says how training images are augmented.
        train, val: the examples of train and of val.
    """

    model: AdaptedModel
    objective: Objective
    training: Training
    train: Examples
    val: Examples

    @property
    def device(self) -> torch.device:
        return self.model.encoder.device

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, chosen: Tensor, seeds: list[int], step: int, mine: slice) -> tuple[Tensor, Captions]:
        inputs = self.train[chosen[mine]]
        if self.train.pixels:
            inputs = augment(inputs, self.training, seeds[mine])
        captions, _ = self._captions(self.train.labels[chosen], seeds, step)
        return self._ready(inputs), captions

    def labels(self, chosen: Tensor, seeds: list[int], step: int) -> Tensor:
        return self._captions(self.train.labels[chosen], seeds, step)[1].to(self.device)

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return self.objective(outputs, labels)

    def val_loss(self, rng: torch.Generator, size: int, step: int) -> Tensor:
        chosen = torch.randperm(len(self.val), generator=rng)[:size]
        seeds = torch.randint(2**31, (len(chosen),), generator=rng).tolist()
        captions, labels = self._captions(self.val.labels[chosen], seeds, step)
        logits = self.model(self._ready(self.val[chosen]), captions)
        return self.loss(logits, labels.to(self.device))

    def val_logits(self) -> Tensor:
        """[N, C], of all of val, on the CPU."""
        classifier = self.model.classifier()
        size = images_at_once(*self.model.encoder.geometry.size, self.device)
        return torch.cat([
            self.model.logits(self._ready(self.val[start : start + size]), classifier).cpu()
            for start in range(0, len(self.val), size)
        ])  # fmt: skip

    def validate(self) -> tuple[ValScore, dict[str, float]]:
        found = val_score(self.val_logits(), self.val.labels)
        return found, {"val_accuracy": 100 * found[0], "val_cross_entropy": -found[1]}

    def _captions(self, labels: Tensor, seeds: list[int], step: int) -> tuple[Captions, Tensor]:
        """The captions that compete at a step, and the place of each image's own among them, int64 [N]: those
        of all classes, by one template a step; or, as the model says, a template an image, drawn by its seed.
        At val class vectors are the means over all templates."""
        count = self.model.templates
        if count == 1:
            return None, labels
        if not self.model.template_an_image:
            return step % count, labels
        # The lower bits of such seeds repeat from step to step.
        drawn = torch.tensor([(seed >> 16) % count for seed in seeds])
        pairs, own = torch.stack([labels, drawn], 1).unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
        return pairs, own

    def _ready(self, inputs: Tensor) -> Tensor:
        inputs = inputs.to(self.device)
        return as_images(inputs, inputs.device) if inputs.ndim == _PIXELS else inputs
