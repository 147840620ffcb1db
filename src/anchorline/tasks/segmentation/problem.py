"""Segmentation, as the training loop sees it."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from anchorline.augmentation import Augmentation
from anchorline.encoder import as_images
from anchorline.merit import Merit
from anchorline.recipe import mixed_seed
from anchorline.tasks.segmentation.augmenting import augment
from anchorline.tasks.segmentation.measuring import counted, mean_iou
from anchorline.tasks.segmentation.model import Segmenter
from anchorline.tasks.segmentation.sets import IGNORED

EVALUATION_BATCH = 32


@dataclass(frozen=True, eq=False)
class Masked:
    """Pixels uint8 [N, H, W, 3] and the class of each, uint8 [N, H, W], 255 where ignored; on the CPU."""

    images: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(eq=False)
class Segmentation:
    """A segmenter that learns the class of each pixel; val chooses by mIoU (ties: lower cross-entropy).

    Attributes:
        model: on its backbone's device.
        augmentation: of the training images.
        learn, choose: the images of train and of val.
        seed: of the augmentation.
    """

    model: Segmenter
    augmentation: Augmentation
    learn: Masked
    choose: Masked
    seed: int = 0
    _step: int = field(default=0, init=False)

    @property
    def device(self) -> torch.device:
        return self.model.backbone.device

    def __len__(self) -> int:
        return len(self.learn)

    def batch(self, chosen: Tensor, seeds: list[int], step: int) -> tuple[Tensor]:
        self._step = step
        images = augment(self.learn.images[chosen], self.augmentation, self._seeds(chosen))
        return (as_images(images, self.device),)

    def labels(self, chosen: Tensor) -> Tensor:
        """Masks int64 [N, H, W], moved as the images of the last batch are."""
        masks = augment(self.learn.masks[chosen], self.augmentation, self._seeds(chosen))
        return masks.to(self.device).long()

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(outputs, labels)

    def val_loss(self, rng: torch.Generator, size: int, step: int) -> Tensor:
        chosen = torch.randperm(len(self.choose), generator=rng)[:size]
        logits = self.model(as_images(self.choose.images[chosen], self.device))
        return cross_entropy(logits, self.choose.masks[chosen].to(self.device).long())

    def judge(self) -> tuple[Merit, dict[str, float]]:
        counts, losses = [], []
        for images, masks in zip(
            torch.split(self.choose.images, EVALUATION_BATCH),
            torch.split(self.choose.masks, EVALUATION_BATCH),
            strict=True,
        ):
            logits = self.model(as_images(images, self.device)).float()
            truth = masks.to(self.device).long()
            losses.append(float(cross_entropy(logits, truth)) * len(images))
            counts.append(counted(logits.argmax(1), truth, logits.shape[1]))
        miou, loss = mean_iou(torch.cat(counts).sum(0)), sum(losses) / len(self.choose)
        return (miou, -loss), {"val_miou": 100 * miou, "val_cross_entropy": loss}

    def _seeds(self, chosen: Tensor) -> list[int]:
        """One a chosen image, the same for image and mask, on whichever process either is needed."""
        return [mixed_seed(self.seed, self._step, image) for image in chosen.tolist()]


def cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean over the pixels that are not ignored, of logits [N, C, H, W] and classes int64 [N, H, W].

    Zero, with a gradient of zeros, where all are ignored.
    """
    summed = F.cross_entropy(logits.float(), truth, ignore_index=IGNORED, reduction="sum")
    return summed / (truth != IGNORED).sum().clamp(min=1)
