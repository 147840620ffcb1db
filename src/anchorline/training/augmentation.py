"""Augmentation of training images, and of masks alike; the same for the same seed, whatever else is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anchorline.methods.hyperparameters import Augmentation, Training

_MASK_DIMENSIONS = 3


def augment(pixels: Tensor, training: Training, seeds: Sequence[int]) -> Tensor:
    """Images uint8 [N, H, W, 3] or masks uint8 [N, H, W], on the CPU -> the same, changed at random.

    `flip`: half of them mirrored; `crop`: also a random part, with a share of the area in `crop_scale` and an
    aspect of 3:4 to 4:3, scaled back to H x W, images bicubically, masks to the nearest pixel; `crop-only`:
    that alone; `trivial`, of images: one change of TrivialAugment at a random strength. What is drawn depends
    on the seed alone, one for each image.
    """
    name = training.augmentation
    if name == "none":
        return pixels
    # They take seconds, and whoever lists the methods does not need them.
    from torchvision.transforms import v2
    from torchvision.tv_tensors import Image, Mask

    bicubic = v2.InterpolationMode.BICUBIC  # masks are scaled to the nearest pixel whatever this says
    crop = v2.RandomResizedCrop(tuple(pixels.shape[1:3]), training.crop_scale, interpolation=bicubic)
    flip = v2.RandomHorizontalFlip()
    steps: dict[Augmentation, list[torch.nn.Module]] = {
        "flip": [flip], "crop": [crop, flip], "crop-only": [crop], "trivial": [v2.TrivialAugmentWide()],
    }  # fmt: skip
    transform = v2.Compose(steps[name])
    masks = pixels.ndim == _MASK_DIMENSIONS
    changed = []
    with torch.random.fork_rng(devices=[]):
        for one, seed in zip(pixels, seeds, strict=True):
            torch.default_generator.manual_seed(seed)  # of the CPU alone
            moved = transform(Mask(one) if masks else Image(one.permute(2, 0, 1)))
            changed.append(moved if masks else moved.permute(1, 2, 0))
    return torch.stack([one.as_subclass(Tensor) for one in changed])
