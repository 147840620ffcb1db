"""Sets of images with a class for each pixel.

A mask holds class indices; 255 is a pixel that is neither learnt nor counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from anchorline.engine.parallel import Progress, thread_map
from anchorline.errors import UserError
from anchorline.suites.images.corruptions import check, corrupt
from anchorline.suites.images.decode import MEMORY_LIMIT, allocate
from anchorline.suites.images.rgb import Pixels, quiet_pillow

IGNORED = 255  # the index of pixels that belong to no class, as PASCAL VOC has it


class MaskedSource(Protocol):
    """Where images and masks come from, by number; its methods may be called from many threads."""

    def image(self, index: int) -> Pixels:
        """uint8 [H, W, 3]. Raises `UserError` where it cannot be read."""

    def mask(self, index: int) -> Pixels:
        """uint8 [H, W]. Raises `UserError` where it cannot be read or holds what is no class."""

    def where(self, index: int) -> str:
        """The image's full path, or what stands for it, for messages."""

    def digest(self, index: int) -> bytes:
        """A hash of image and mask."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """Images and masks in memory: uint8 [N, H, W, 3] and [N, H, W]; `title` names them in messages."""

    images: Pixels
    masks: Pixels
    title: str

    def image(self, index: int) -> Pixels:
        image: Pixels = self.images[index]
        return image

    def mask(self, index: int) -> Pixels:
        mask: Pixels = self.masks[index]
        return mask

    def where(self, index: int) -> str:
        return f"{self.title}/{index}"

    def digest(self, index: int) -> bytes:
        return blake2b(self.images[index].tobytes() + self.masks[index].tobytes()).digest()


@dataclass(frozen=True, eq=False)
class MaskedSet:
    """Some images with their masks, in a fixed order.

    Attributes:
        name: "train", "val", "test", the name of a shift, or of a corruption and its severity, "fog/3".
        source: what `indices` point into.
        indices: [N] numbers of images in the source.
        corruption: name and severity of what is done to the pixels (not to the masks), or None.
    """

    name: str
    source: MaskedSource
    indices: tuple[int, ...]
    corruption: tuple[str, int] | None = None
    _hash: str = field(default="", init=False, repr=False)  # without the corruption

    def __len__(self) -> int:
        return len(self.indices)

    def image(self, index: int) -> Pixels:
        """One image at its own size, uint8 [H, W, 3]. Raises `UserError` where it cannot be read."""
        pixels = self.source.image(self.indices[index])
        return pixels if self.corruption is None else corrupt(pixels[None], *self.corruption)[0]

    def mask(self, index: int) -> Pixels:
        """The class of each pixel, uint8 [H, W], 255 where ignored. Raises `UserError` as `image` does."""
        return self.source.mask(self.indices[index])

    def where(self, index: int) -> str:
        """The full path of one image, for messages."""
        return self.source.where(self.indices[index])

    def select(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> MaskedSet:
        """The images at `indices`, in that order."""
        return replace(self, indices=tuple(self.indices[int(i)] for i in indices))

    def corrupted(self, name: str, severity: int) -> MaskedSet:
        """This set under one corruption of ImageNet-C; it is named "fog/3". The masks stay.

        Raises `UserError` for an unknown name or severity.
        """
        check(name, severity)
        other = replace(self, name=f"{name}/{severity}", corruption=(name, severity))
        object.__setattr__(other, "_hash", self._hash)
        return other

    def content_hash(self, progress: Progress | None = None) -> str:
        """Hex blake2b over image and mask of each in order; computed once, then kept. A corruption enters.

        Raises `UserError` where a file cannot be read.
        """
        if not self._hash:
            digests = thread_map(lambda i: self.source.digest(self.indices[i]), len(self), progress)
            object.__setattr__(self, "_hash", blake2b(b"".join(digests), digest_size=16).hexdigest())
        if self.corruption is None:
            return self._hash
        name, severity = self.corruption
        return blake2b(f"{self._hash} {name}/{severity}".encode(), digest_size=16).hexdigest()

    def decoded(
        self,
        height: int,
        width: int,
        *,
        memory_limit: int = MEMORY_LIMIT,
        progress: Progress | None = None,
    ) -> tuple[Pixels, Pixels]:
        """All images uint8 [N, height, width, 3] and masks uint8 [N, height, width].

        Images are resized bicubically and without regard to their proportions, masks to the nearest pixel.
        A corruption is done to the resized pixels: what a model sees is corrupted, as for ImageNet-C.
        Arrays of more than `memory_limit` bytes lie in temporary files; see `suites.decode.decode`.
        Raises `UserError` where an image or mask cannot be used, or their sizes differ.
        """
        images = allocate((len(self), height, width, 3), memory_limit)
        masks = allocate((len(self), height, width), max(0, memory_limit - images.size))

        def work(index: int) -> None:
            image, mask = (read(self.indices[index]) for read in (self.source.image, self.source.mask))
            if image.shape[:2] != mask.shape:
                sizes = [f"{one.shape[1]} x {one.shape[0]} pixels" for one in (mask, image)]
                raise UserError(
                    f"the mask of {self.where(index)} has {sizes[0]} and the image {sizes[1]}; mend one"
                )
            images[index] = resized(image, height, width, Image.Resampling.BICUBIC)
            masks[index] = resized(mask, height, width, Image.Resampling.NEAREST)

        with quiet_pillow():
            thread_map(work, len(self), progress)
        if self.corruption is not None:
            corrupt(images, *self.corruption, out=images)
        return images, masks


def resized(pixels: Pixels, height: int, width: int, how: Image.Resampling) -> Pixels:
    """uint8 [H, W] or [H, W, 3] at another size; the same array where it has that size."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), how))
