"""Encoded pictures inside a page."""

import base64
import json
import struct

from markupsafe import Markup

SMALL = 128  # pixels: images of learned frames up to this width are shown twice as large


class Pictures:
    """The pictures of a page by number: methods share many, and each is written once."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}

    def number(self, image: bytes) -> int:
        return self.numbers.setdefault(image, len(self.numbers))

    def json(self) -> Markup:
        """Data URLs, in the order of the numbers."""
        return Markup(json.dumps([data_url(image) for image in self.numbers]))


def data_url(image: bytes) -> str:
    """An encoded PNG or JPEG as a data URL. Raises `ValueError` for anything else."""
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        kind = "png"
    elif image.startswith(b"\xff\xd8\xff"):
        kind = "jpeg"
    else:
        raise ValueError("a thumbnail must be PNG or JPEG")
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def shown_width(png: bytes) -> int:
    """The width at which to show the image of a frame, in pixels of the page: small ones doubled."""
    if not png.startswith(b"\x89PNG\r\n\x1a\n") or len(png) < 24:
        raise ValueError("the image of a frame must be PNG")
    width = int(struct.unpack(">I", png[16:20])[0])
    return 2 * width if width <= SMALL else width
