"""Augmentation of training images by name, the same for the same seed whatever else draws random numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from anchorline.recipe import Augmentation


def augment(images: Tensor, name: Augmentation, seeds: Sequence[int]) -> Tensor:
    """uint8 [N, H, W, 3] on the CPU -> the same, changed at random, each image by a seed of its own.

    `flip`: half of the images mirrored; `crop`: also a random part of 60 to 100 % of the area, with an aspect
    of 3:4 to 4:3, scaled back to H x W (bicubic), each image on its own.
    """
    if name == "none":
        return images
    from torchvision.transforms import v2  # takes seconds, and whoever lists the methods has no need of it

    height, width = images.shape[1:3]
    steps: list[torch.nn.Module] = [v2.RandomHorizontalFlip()]
    if name == "crop":
        bicubic = v2.InterpolationMode.BICUBIC
        steps.insert(0, v2.RandomResizedCrop((height, width), scale=(0.6, 1.0), interpolation=bicubic))
    transform = v2.Compose(steps)
    changed = []
    with torch.random.fork_rng(devices=[]):
        for image, seed in zip(images.permute(0, 3, 1, 2), seeds, strict=True):
            torch.default_generator.manual_seed(seed)  # of the CPU alone
            changed.append(transform(image))
    return torch.stack(changed).permute(0, 2, 3, 1)
