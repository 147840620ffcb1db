"""What stands on a backbone, and how images reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from anchorline.engine.progress import Narrator
from anchorline.suites.images.decode import MEMORY_LIMIT
from anchorline.suites.masks.sets import MaskedSet
from anchorline.tasks.segmentation.backbones import Backbone
from anchorline.tasks.segmentation.decoders import DECODERS, find_decoder
from anchorline.tasks.segmentation.problem import Masked


@dataclass(frozen=True)
class Architecture:
    """What stands on the backbone.

    Attributes:
        decoder: a name in `DECODERS`; "": the first that can read the backbone.
        width: channels of the decoder.
        size: height and width, in pixels, at which images are learnt and measured.
    """

    decoder: str = ""
    width: int = 32
    size: tuple[int, int] = (128, 128)

    def on(self, backbone: Backbone, own: str = "") -> Architecture:
        """The same with a decoder that can read the backbone; `own`: that of a method, if it has one.

        Raises `UserError` if the named one cannot, or it has no such width, or they compute no such size.
        """
        fits = next(one.name for one in DECODERS.values() if backbone.kind in one.kinds)
        decoder = find_decoder(own or self.decoder or fits, backbone)
        decoder.check(backbone, self.width, self.size)
        return replace(self, decoder=decoder.name)


Decode = Callable[[MaskedSet], Masked]


def decoder_of(size: tuple[int, int], narrator: Narrator, memory_limit: int = MEMORY_LIMIT) -> Decode:
    """Reads a set at a size; what takes more than `memory_limit` bytes lies in temporary files."""

    def decode(images: MaskedSet) -> Masked:
        bar = narrator.bar(f"{images.name}, decoding")
        arrays = images.decoded(*size, memory_limit=memory_limit, progress=bar)
        return Masked(*map(torch.from_numpy, arrays))

    return decode
