"""`predict`: an index mask and a colour overlay of any image, at its own size."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from anchorline.encoders.encoder import as_images
from anchorline.engine.outputs import OwnFolder
from anchorline.errors import UserError
from anchorline.suites.images.rgb import Pixels, UnreadableError, open_rgb, quiet_pillow
from anchorline.tasks.segmentation.pictures import mask_picture, overlay
from anchorline.tasks.segmentation.runs import AdaptedSegmenter, load


@dataclass(frozen=True)
class DrawnMask:
    """What was written of one image.

    Attributes:
        path: of the image, as given.
        mask: a PNG of class indices with PASCAL VOC's palette.
        overlay: a PNG of the image with the classes' colours on it; index 0, of most masks the background,
            is left as it is.
        classes: names of the classes in the mask, the largest first.
    """

    path: str
    mask: Path
    overlay: Path
    classes: tuple[str, ...]


def predict_masks(
    run: str | Path | AdaptedSegmenter,
    images: Iterable[str],
    out: str | Path,
    bad_images: Literal["error", "skip"] = "error",
    skipped: list[str] | None = None,
    device: str | None = None,
) -> Iterator[DrawnMask]:
    """Write OUT/masks/NAME.png and OUT/overlays/NAME.png for each image file, one after the other.

    OUT is new, empty, or holds nothing but what an earlier call wrote, which is written over. A name that was
    written before in this call gets the next free number: NAME-2. Raises `UserError` for a folder that holds
    other files or cannot be written, a run that is none, or an image that cannot be read; with "skip" such
    an image is left out, and the reason appended to `skipped`.
    """
    folder = OwnFolder(Path(out))  # before anything long
    adapted = run if isinstance(run, AdaptedSegmenter) else load(run, device=device)
    return _drawn(adapted, images, folder, bad_images, skipped)


def _drawn(
    adapted: AdaptedSegmenter,
    images: Iterable[str],
    folder: OwnFolder,
    bad_images: Literal["error", "skip"],
    skipped: list[str] | None,
) -> Iterator[DrawnMask]:
    written: set[str] = set()
    for path in images:
        try:
            pixels = _read(path)
        except UserError as error:
            if bad_images == "error":
                raise
            if skipped is not None:
                skipped.append(str(error))
            continue
        mask = predicted_mask(adapted, pixels)
        stem = Path(path).stem
        free = chain([stem], (f"{stem}-{number}" for number in count(2)))
        name = next(one for one in free if one not in written)
        written.add(name)
        files = (
            folder.write(f"masks/{name}.png", _png(mask_picture(mask))),
            folder.write(f"overlays/{name}.png", _png(Image.fromarray(overlay(pixels, mask)))),
        )
        found, pixels_of = np.unique(mask, return_counts=True)
        order = found[np.argsort(-pixels_of, kind="stable")]
        yield DrawnMask(path, *files, tuple(adapted.classes[index] for index in order))


def predicted_mask(adapted: AdaptedSegmenter, pixels: Pixels) -> Pixels:
    """The class of each pixel of an image of any size, uint8 [H, W, 3] -> uint8 [H, W].

    The image is computed at the size of the training; the logits are scaled to its own.
    """
    height, width = adapted.size
    small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    batch = as_images(torch.from_numpy(np.array(small)[None]), torch.device("cpu"))
    return _largest(adapted.logits(batch)[0], pixels.shape[0], pixels.shape[1])


def _largest(logits: Tensor, height: int, width: int) -> Pixels:
    """The class with the largest logit at another size; one class at a time, since photos are large."""
    best = torch.full((height, width), -torch.inf, device=logits.device)
    mask = torch.zeros((height, width), dtype=torch.uint8, device=logits.device)
    for index, one in enumerate(logits):
        scaled = F.interpolate(one[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
        mask[scaled > best] = index
        best = torch.maximum(best, scaled)
    return mask.cpu().numpy()


def _read(path: str) -> Pixels:
    try:
        data = Path(path).read_bytes()
        with quiet_pillow():
            return np.asarray(open_rgb(lambda: data))
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}); check the path") from error
    except UnreadableError as error:
        raise UserError(f"{path} {error}; mend it, or leave it out with --bad-images skip") from error


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
