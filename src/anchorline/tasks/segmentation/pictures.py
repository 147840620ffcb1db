"""Pictures for the report and for `predict`: masks in colour, and images beside what each method says."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from anchorline.encoders.encoder import as_images
from anchorline.suites.images.rgb import Pixels
from anchorline.suites.masks.sets import IGNORED, MaskedSet
from anchorline.tasks.segmentation.evaluating import Sets
from anchorline.tasks.segmentation.runs import AdaptedSegmenter, Networks

OF_TEST, OF_OTHERS, OTHERS = 4, 1, 6  # images of test, of another set; other sets of a role
LARGEST = 192  # pixels, of a picture in the report
_MIDDLE = "/3"  # the severity whose pictures are shown


@dataclass(frozen=True, eq=False)
class Example:
    """One image with its masks, each an encoded picture.

    Attributes:
        set: its name; `where`: the file.
        image, truth: the picture and its true mask.
        predicted: a mask a method.
        shown: indices of the classes that any of these masks holds.
    """

    set: str
    where: str
    image: bytes
    truth: bytes
    predicted: Mapping[str, bytes]
    shown: frozenset[int]


def palette() -> Pixels:
    """Colours of the 256 values of a mask, uint8 [256, 3], as PASCAL VOC has them: index 0 is black.

    The bits of an index, three at a time, are spread over red, green and blue, the highest first
    (`VOClabelcolormap` of the VOC development kit).
    """
    index = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for place in range(8):
        for channel in range(3):
            bit = (index >> (3 * place + channel)) & 1
            colours[:, channel] |= (bit << (7 - place)).astype(np.uint8)
    return colours


def mask_picture(mask: Pixels) -> Image.Image:
    """Class indices uint8 [H, W] as a picture whose values are the indices and whose palette is VOC's."""
    picture = Image.fromarray(mask, mode="L")
    picture.putpalette(palette().tobytes())
    return picture


def overlay(image: Pixels, mask: Pixels, share: float = 0.6) -> Pixels:
    """The colours of a mask [H, W] laid over uint8 [H, W, 3]; where the mask is 0, the image alone."""
    mixed = share * palette()[mask] + (1 - share) * image
    return np.where((mask == 0)[..., None], image, mixed.round().astype(np.uint8))


def hex_colour(index: int) -> str:
    """The colour of a class, "#rrggbb"."""
    return f"#{palette()[index].tobytes().hex()}"


def examples(segmenters: Sequence[AdaptedSegmenter], sets: Sets, size: tuple[int, int]) -> list[Example]:
    """The first images of test, of each shift, and of each corruption at its middle severity, as they were
    measured, beside the masks of each segmenter."""
    networks = Networks()
    found: list[Example] = []
    for images in _chosen(sets):
        decoded, masks = images.decoded(*size)
        pixels = as_images(torch.from_numpy(decoded), torch.device("cpu"))
        outputs = {one.method: one.logits(pixels, networks.of(one)).argmax(1).cpu() for one in segmenters}
        found += [
            _example(images, number, decoded[number], masks[number], outputs) for number in range(len(images))
        ]
    return found


def _chosen(sets: Sets) -> list[MaskedSet]:
    test = [images.select(range(min(OF_TEST, len(images)))) for images in sets["test"].values()]
    corrupted = {name.partition("/")[0]: name for name in sets["corruption"]}  # the highest severity
    corrupted |= {name.partition("/")[0]: name for name in sets["corruption"] if name.endswith(_MIDDLE)}
    others = [*list(sets["shift"].values())[:OTHERS]]
    others += [sets["corruption"][name] for name in list(corrupted.values())[:OTHERS]]
    return test + [images.select(range(min(OF_OTHERS, len(images)))) for images in others]


def _example(
    images: MaskedSet, number: int, pixels: Pixels, truth: Pixels, outputs: Mapping[str, Tensor]
) -> Example:
    predicted = {name: masks[number].to(torch.uint8).cpu().numpy() for name, masks in outputs.items()}
    shown = {int(v) for mask in (truth, *predicted.values()) for v in np.unique(mask)} - {IGNORED}
    return Example(
        set=images.name,
        where=images.where(number),
        image=_png(Image.fromarray(pixels), Image.Resampling.LANCZOS),
        truth=_png(mask_picture(truth), Image.Resampling.NEAREST),
        predicted={
            name: _png(mask_picture(mask), Image.Resampling.NEAREST) for name, mask in predicted.items()
        },
        shown=frozenset(shown),
    )


def _png(picture: Image.Image, how: Image.Resampling) -> bytes:
    picture.thumbnail((LARGEST, LARGEST), how)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
