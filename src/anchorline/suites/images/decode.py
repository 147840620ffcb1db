"""Decode and resize images once, in parallel, to the bytes an encoder sees before it normalises.

The geometry is open_clip's own evaluation transform, without its last two steps (to tensor,
normalise). What comes before it is ours: rotation by EXIF, transparency over white, and 8-bit
RGB from every mode that Pillow opens.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from anchorline.engine.parallel import Progress, thread_map
from anchorline.errors import UserError
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.rgb import Pixels, UnreadableError, open_rgb, quiet_pillow

MEMORY_LIMIT = 4 * 2**30  # bytes
_LONGEST_RATIO = 100  # beyond it a strip is cut down before it is scaled; see _tame


@dataclass(frozen=True)
class Geometry:
    """What the encoder wants, from open_clip's `preprocess_cfg`.

    Attributes:
        size: height, width, in pixels.
        resize: "shortest" (then centre crop), "longest" (then pad) or "squash": open_clip's
            `resize_mode`.
        interpolation: antialiased, as Pillow does it.
        fill: padding level for "longest", 0-255.
    """

    size: tuple[int, int]
    resize: Literal["shortest", "longest", "squash"] = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    fill: int = 0


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be read: its index in the set; f"{where} {reason}" is a sentence."""

    index: int
    where: str
    reason: str


def decode(
    image_set: ImageSet,
    geometry: Geometry,
    *,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress | None = None,
) -> tuple[Pixels, tuple[BadImage, ...]]:
    """Decode a whole set.

    Returns uint8 [M, H, W, 3], one row for each readable image in the set's order, and all
    images that could not be read (`Suite.without_bad` takes them out of the set likewise).

    An array of more than `memory_limit` bytes lies in a memory-mapped temporary file, which
    the system removes when the array goes. Raises `UserError` where the disk has no room for it.
    """
    total = len(image_set)
    pixels = allocate((total, *geometry.size, 3), memory_limit)
    transform = _transform(geometry)

    def work(index: int) -> BadImage | None:
        try:
            image = open_rgb(lambda: image_set.source.read(image_set.paths[index]))
        except UnreadableError as error:
            return BadImage(index, image_set.where(index), str(error))
        pixels[index] = transform(image)
        return None

    with quiet_pillow():
        bad = tuple(filter(None, thread_map(work, total, progress)))
    if bad:
        good = np.delete(np.arange(total), [image.index for image in bad])
        for row, index in enumerate(good):  # in place: a second array might not fit
            pixels[row] = pixels[index]
        pixels = pixels[: len(good)]
    return pixels, bad


def decode_image(data: bytes, geometry: Geometry) -> Pixels:
    """Decode one image, the bytes of a file, to uint8 [H, W, 3]; `UnreadableError` if it is broken."""
    with quiet_pillow():
        return _transform(geometry)(open_rgb(lambda: data))


def _transform(geometry: Geometry) -> Callable[[Image.Image], Pixels]:
    # Here, not above: it takes seconds to import, and whoever only lists a suite has no need of it.
    from open_clip.transform import PreprocessCfg, image_transform_v2

    config = PreprocessCfg(
        size=geometry.size,
        resize_mode=geometry.resize,
        interpolation=geometry.interpolation,
        fill_color=geometry.fill,
    )
    steps = image_transform_v2(config, is_train=False).transforms[:-2]

    def run(image: Image.Image) -> Pixels:
        image = _tame(image, geometry)
        for step in steps:
            image = step(image)
        return np.asarray(image)

    return run


def _tame(image: Image.Image, geometry: Geometry) -> Image.Image:
    """Extreme strips, on which open_clip's transform takes gigabytes or fails; others untouched."""
    height, width = geometry.size
    tall, wide = image.height / height, image.width / width  # source pixels per target pixel
    if geometry.resize == "shortest" and max(tall, wide) > _LONGEST_RATIO * min(tall, wide):
        # Cut to the middle, which alone survives the centre crop.
        keep = _LONGEST_RATIO * min(tall, wide)
        dx = max(0, int(image.width - keep * width) // 2)
        dy = max(0, int(image.height - keep * height) // 2)
        return image.crop((dx, dy, image.width - dx, image.height - dy))
    ratio = max(tall, wide)
    if geometry.resize == "longest" and 0 in (
        round(image.width / ratio),
        round(image.height / ratio),
    ):
        thick = math.ceil(ratio)  # one target pixel
        return image.resize((max(image.width, thick), max(image.height, thick)))
    return image


def allocate(shape: tuple[int, ...], memory_limit: int) -> Pixels:
    """uint8 of that shape: in memory, or in a temporary file beyond `memory_limit` bytes; see `decode`."""
    needed = math.prod(shape)
    if needed <= memory_limit:
        return np.empty(shape, np.uint8)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if needed > free:
        raise UserError(
            f"the decoded images take {needed / 2**30:.1f} GiB and {tempfile.gettempdir()} has "
            f"{free / 2**30:.1f} GiB free; make room, or set TMPDIR to a larger disk"
        )
    with tempfile.TemporaryFile(prefix="anchorline-") as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)
