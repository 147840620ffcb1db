"""Images and masks that lie in files, and all that can be wrong with a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from textwrap import shorten

import numpy as np
from PIL import Image

from anchorline.errors import UserError
from anchorline.suites.images.files import same_name
from anchorline.suites.images.rgb import Pixels, UnreadableError, open_rgb
from anchorline.suites.labels import counted
from anchorline.suites.masks.sets import IGNORED, MaskedSet

_MODES = {"1": "black and white", "I;16": "grey in 16 bits", "I": "grey in 32 bits"}
_VAL_SHARE = 5  # one image in five goes to val


@dataclass(frozen=True, eq=False)
class Files:
    """Files of images and of masks, in the same order.

    Attributes:
        images, masks: [N] paths; a mask is an 8-bit PNG of class indices, with a palette or grey.
        meanings: the class index that each index in these masks stands for.
    """

    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    meanings: tuple[int, ...]

    def image(self, index: int) -> Pixels:
        path = self.images[index]
        try:
            return np.asarray(open_rgb(path.read_bytes))
        except UnreadableError as error:
            raise UserError(f"the image {path} {error}; mend it, or remove it and its mask") from error

    def mask(self, index: int) -> Pixels:
        path = self.masks[index]
        values = read_indices(path)
        known = len(self.meanings)
        wrong = values[(values >= known) & (values != IGNORED)]
        if wrong.size:
            raise UserError(
                f"the mask {path} holds the index {wrong.flat[0]}, and there are {known} classes; "
                f"masks hold 0 to {known - 1}, and {IGNORED} where a pixel is ignored"
            )
        table = np.full(256, IGNORED, np.uint8)
        table[:known] = self.meanings
        meant: Pixels = table[values]
        return meant

    def where(self, index: int) -> str:
        return str(self.images[index])

    def digest(self, index: int) -> bytes:
        digest = blake2b()
        for path in (self.images[index], self.masks[index]):
            try:
                digest.update(blake2b(path.read_bytes()).digest())
            except OSError as error:
                raise UserError(f"cannot read {path} ({error.strerror}); mend or remove it") from error
        digest.update(bytes(self.meanings))
        return digest.digest()


def read_indices(path: Path) -> Pixels:
    """The indices in a mask file, uint8 [H, W]. Raises `UserError` where it holds none."""
    try:
        with Image.open(path) as image:
            mode, values = image.mode, np.array(image)
    except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
        reason = shorten(f"{type(error).__name__}: {error}", 120)
        raise UserError(f"the mask {path} cannot be read ({reason}); mend it or remove the pair") from error
    if mode not in ("P", "L"):
        what = _MODES.get(mode, f"in colour ({mode})")
        raise UserError(
            f"the mask {path} is {what}; a mask is an 8-bit PNG of class indices, grey or with a palette, "
            "so turn its values into indices"
        )
    return values


def split_val(images: MaskedSet, names: Sequence[str]) -> tuple[MaskedSet, MaskedSet, str]:
    """Train, val and a note that says so.

    Val is a fifth of `images` by a hash of their `names`, the same on every machine. Raises `UserError` for
    fewer than two images.
    """
    if len(images) < 2:
        raise UserError(
            "train holds one image, so none can be spared for val; give more, or a val set with --val DIR"
        )
    drawn = sorted(range(len(names)), key=lambda i: blake2b(same_name(names[i]).encode()).digest())
    chosen = sorted(drawn[: max(1, round(len(names) / _VAL_SHARE))])
    rest = np.delete(np.arange(len(names)), chosen)
    note = f"val was split off train: {len(chosen)} of its {counted(len(images), 'image')}"
    return images.select(rest), replace(images.select(chosen), name="val"), note
