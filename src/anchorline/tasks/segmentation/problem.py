"""Segmentation, as the training loop sees it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from anchorline.encoders.encoder import as_images
from anchorline.methods.hyperparameters import Training
from anchorline.methods.selection import ValScore
from anchorline.suites.masks.sets import IGNORED
from anchorline.tasks.segmentation.iou import counted, mean_iou
from anchorline.tasks.segmentation.model import Segmenter, logits_of
from anchorline.training.augmentation import augment

_EVALUATION_BATCH = 32  # images that are computed at once without gradients, at most,
_EVALUATED = 2**27  # and their logits: 512 MiB in float32


@dataclass(frozen=True, eq=False)
class Masked:
    """Pixels uint8 [N, H, W, 3] and the class of each, uint8 [N, H, W], 255 where ignored; on the CPU."""

    images: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A segmenter that learns the class of each pixel; val chooses by mIoU (ties: lower cross-entropy).

    With `training.grad_accumulation_steps` each part of a batch has the same weight, however many
    of its pixels are ignored; what learns on val takes its whole batch at once.

    Attributes:
        model: on its backbone's device.
        training: says how training images are augmented, and in which precision val is looked at.
        train, val: the images of train and of val.
    """

    model: Segmenter
    training: Training
    train: Masked
    val: Masked

    @property
    def device(self) -> torch.device:
        return self.model.backbone.device

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, chosen: Tensor, seeds: list[int], step: int, mine: slice) -> tuple[Tensor]:
        images = augment(self.train.images[chosen[mine]], self.training, seeds[mine])
        return (as_images(images, self.device),)

    def labels(self, chosen: Tensor, seeds: list[int], step: int) -> Tensor:
        """Masks int64 [N, H, W], moved as their images are."""
        masks = augment(self.train.masks[chosen], self.training, seeds)
        return masks.to(self.device).long()

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(outputs, labels)

    def val_loss(self, rng: torch.Generator, size: int, step: int) -> Tensor:
        chosen = torch.randperm(len(self.val), generator=rng)[:size]
        logits = self.model(as_images(self.val.images[chosen], self.device))
        return cross_entropy(logits, self.val.masks[chosen].to(self.device).long())

    def validate(self) -> tuple[ValScore, dict[str, float]]:
        size = evaluation_batch(self.model.classes, *self.val.masks.shape[1:])
        counts, losses = [], []
        for images, masks in zip(
            torch.split(self.val.images, size), torch.split(self.val.masks, size), strict=True
        ):
            # As it will be measured.
            logits = logits_of(self.model, as_images(images, self.device), self.training.precision)
            truth = masks.to(self.device).long()
            losses.append(float(cross_entropy(logits, truth)) * len(images))
            counts.append(counted(logits.argmax(1), truth, logits.shape[1]))
        miou, loss = mean_iou(torch.cat(counts).sum(0)), sum(losses) / len(self.val)
        return (miou, -loss), {"val_miou": 100 * miou, "val_cross_entropy": loss}


def evaluation_batch(classes: int, height: int, width: int) -> int:
    """How many images are computed at once without gradients: their logits [N, C, H, W] have a bound."""
    return max(1, min(_EVALUATION_BATCH, _EVALUATED // (classes * height * width)))


def cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean over the pixels that are not ignored, of logits [N, C, H, W] and classes int64 [N, H, W].

    Zero, with a gradient of zeros, where all are ignored.
    """
    summed = F.cross_entropy(logits.float(), truth, ignore_index=IGNORED, reduction="sum")
    return summed / (truth != IGNORED).sum().clamp(min=1)
