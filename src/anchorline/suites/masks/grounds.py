"""Textured grounds for scenes: stripes, dots, noise, gradients and paper in muted colours."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from anchorline.suites.images.rgb import Pixels

Floats = npt.NDArray[np.float64]


def ground(size: int, rng: np.random.Generator) -> Pixels:
    """One ground, uint8 [size, size, 3]: two muted colours, mixed by a texture, under a little grain."""
    texture = TEXTURES[rng.integers(len(TEXTURES))]
    mixed = texture(size, rng)[..., None]
    one, other = (muted(rng, 0.35, (0.45, 0.8)) for _ in range(2))
    colours = one + (other - one) * mixed
    colours = colours + rng.normal(0, 0.015, (size, size, 1))
    pixels: Pixels = np.rint(255 * colours.clip(0, 1)).astype(np.uint8)
    return pixels


def muted(rng: np.random.Generator, saturation: float, brightness: tuple[float, float]) -> Floats:
    """A colour, RGB from 0 to 1, of any hue, at most so saturated and between two levels of brightness."""
    hue, pale, level = rng.random(), rng.uniform(0, saturation), rng.uniform(*brightness)
    return np.array(colorsys.hsv_to_rgb(hue, pale, level))


def _stripes(size: int, rng: np.random.Generator) -> Floats:
    """Bands of equal width at any angle."""
    along = _turned(size, rng)[0]
    return (np.sin(2 * np.pi * along / rng.uniform(6, 24)) > 0).astype(np.float64)


def _dots(size: int, rng: np.random.Generator) -> Floats:
    """Discs on a turned grid."""
    x, y = _turned(size, rng)
    period = rng.uniform(8, 20)
    radius = period * rng.uniform(0.2, 0.35)
    dx, dy = (one % period - period / 2 for one in (x, y))
    return (np.hypot(dx, dy) < radius).astype(np.float64)


def _noise(size: int, rng: np.random.Generator) -> Floats:
    """Soft blots: coarse noise, enlarged."""
    coarse = rng.random((int(rng.integers(4, 17)),) * 2).astype(np.float32)
    enlarged = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(enlarged, np.float64).clip(0, 1)


def _gradient(size: int, rng: np.random.Generator) -> Floats:
    """From one colour to the other, in one direction."""
    along = _turned(size, rng)[0]
    mixed: Floats = (along - along.min()) / np.ptp(along)
    return mixed


def _paper(size: int, rng: np.random.Generator) -> Floats:
    """Nearly one colour, with fine grain in both directions, as of fibres."""
    return 0.5 + 0.2 * (rng.normal(0, 1, (size, 1)) + rng.normal(0, 1, (1, size))).clip(-2, 2) / 2


def _turned(size: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Coordinates of each pixel, [size, size] each, in axes turned by any angle and moved."""
    angle, shift = rng.uniform(0, np.pi), rng.uniform(0, size)
    y, x = np.mgrid[:size, :size]
    across = x * np.cos(angle) + y * np.sin(angle) + shift
    return across, y * np.cos(angle) - x * np.sin(angle) + shift


TEXTURES: tuple[Callable[[int, np.random.Generator], Floats], ...] = (
    _stripes,
    _dots,
    _noise,
    _gradient,
    _paper,
)
