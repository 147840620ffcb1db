"""From the bytes of an image file to 8-bit RGB, and from Pillow's many errors to one."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from textwrap import shorten

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = npt.NDArray[np.uint8]

# Without a handler, Python prints a library's errors on the screen. We report them ourselves.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class UnreadableError(Exception):
    """The predicate of a sentence whose subject is the image."""


def open_rgb(read: Callable[[], bytes]) -> Image.Image:
    """The first frame: turned upright by EXIF, over white where transparent, 8-bit RGB.

    `read` gives the bytes of the file; its errors count as the image's. Raises
    `UnreadableError` for anything but a whole image.
    """
    try:
        data = read()
        if not data:
            raise UnreadableError("is empty")
        image = Image.open(io.BytesIO(data), formats=_formats())
        image.load()
        return _rgb(_upright(image))
    except UnreadableError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableError("is not an image that Pillow can open") from error
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise UnreadableError(f"has more than {limit:,} pixels (decompression bomb?)") from error
    except OSError as error:
        reason = shorten(error.strerror or str(error), 100)
        raise UnreadableError(f"cannot be read: {reason}") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
        reason = shorten(f"{type(error).__name__}: {error}", 100)
        raise UnreadableError(f"cannot be read: {reason}") from error


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in Image.ID if name not in ("EPS", "WMF"))  # these run programs


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a good picture with broken EXIF data
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_levels(image)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _levels(image: Image.Image) -> Pixels:
    """Deep grey to 8 bits: white is 65535 for integers, and for floats the first of 1, 255,
    65535 that holds them; what fits none is stretched from its least to its greatest value."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    whites = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
    white = next((white for white in whites if low >= 0 and high <= white), None)
    if white is None:
        values, white = values - low, high - low or 1.0
    return np.rint(values * (255 / white)).astype(np.uint8)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings off the screen. Enter it around the threads, not inside them: the
    filters belong to the process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield
