"""How well predicted masks fit: intersection over union, by class and as a mean, with intervals.

The background is a class as any other is. The mean goes over the classes that the set shows. Of a class
that it does not, predicted pixels are mistakes, which the intersections of the others miss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from anchorline.encoders.encoder import as_images
from anchorline.engine.parallel import Progress
from anchorline.metric import Metric
from anchorline.metrics.bootstrap import Resamples, interval

INTERSECTION, PREDICTED, TRUE = 0, 1, 2  # the last dimension of counts


def counted(predicted: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Pixels of each class in each image, int32 [N, C, 3]: right, predicted, true; ignored ones left out.

    They are counted where the masks lie, and come back to the CPU.

    Args:
        predicted, truth: class indices [N, H, W] on one device; truth 255 where ignored.
        classes: C.
    """
    n, rows = len(truth), classes + 1  # the last row of an image takes 255, what is ignored
    images = torch.arange(n, dtype=torch.int32, device=truth.device).view(-1, 1, 1)
    pairs = (images * rows + truth.clamp(max=classes)) * classes + predicted.int()
    confusion = torch.bincount(pairs.flatten(), minlength=n * rows * classes).view(n, rows, classes)[:, :-1]
    parts = [confusion.diagonal(dim1=1, dim2=2), confusion.sum(1), confusion.sum(2)]
    return torch.stack(parts, -1).int().cpu()


def ious(counts: Tensor) -> Tensor:
    """IoU of each class in [0, 1], float64 [..., C], of counts [..., C, 3]; NaN where the truth has none."""
    parts = counts.double().unbind(-1)
    union = parts[PREDICTED] + parts[TRUE] - parts[INTERSECTION]
    found = parts[INTERSECTION] / union
    return torch.where(parts[TRUE] > 0, found, torch.nan)


def mean_iou(counts: Tensor) -> float:
    """Mean over the classes that the truth has, in [0, 1], of counts [C, 3]."""
    return float(ious(counts).nanmean())


def measured(
    name: str, role: str, classes: Sequence[str], counts: Tensor, resamples: Resamples
) -> list[Metric]:
    """mIoU and each class's IoU in percent, of counts [N, C, 3] of a set.

    Intervals, 95 %, are bootstrapped over images; all methods share a set's resamples.
    """
    drawn = torch.from_numpy(resamples.counts(name, len(counts)).astype(np.float64))
    again = ious(torch.einsum("rn,nck->rck", drawn, counts.double()))  # [repeats, C]
    means = again.nanmean(1)
    n = len(counts)
    whole = ious(counts.sum(0))
    low, high = interval(100 * means.numpy())
    found = [Metric(name, role, "miou", 100 * float(whole.nanmean()), low=low, high=high, n=n)]
    for number, title in enumerate(classes):
        own = again[:, number]
        own = own[~own.isnan()]  # a resample may lack the class
        if not whole[number].isnan():
            low, high = interval(100 * own.numpy())
            value = 100 * float(whole[number])
            found.append(Metric(name, role, f"iou:{title}", value, low=low, high=high, n=n))
    return found


@torch.no_grad()
def counts_of(
    predict: Callable[[Tensor], Tensor], images: Tensor, masks: Tensor, classes: int, batch: int,
    progress: Progress | None = None,
) -> Tensor:  # fmt: skip
    """Counts int32 [N, C, 3] of a set that passes through a model once, a batch at a time.

    Args:
        predict: pixels in [0, 1], float32 [N, 3, H, W], on its device -> class indices [N, H, W].
        images, masks: uint8 [N, H, W, 3] and [N, H, W].
    """
    return torch.cat(list(_counts_of(predict, images, masks, classes, batch, progress)))


def _counts_of(
    predict: Callable[[Tensor], Tensor], images: Tensor, masks: Tensor, classes: int, batch: int,
    progress: Progress | None,
) -> Iterator[Tensor]:  # fmt: skip
    for start in range(0, len(images), batch):
        part, truth = images[start : start + batch], masks[start : start + batch]
        predicted = predict(as_images(part, part.device))
        yield counted(predicted, truth.to(predicted.device), classes)
        if progress:
            progress(min(start + batch, len(images)), len(images))
