"""The pictures of replicas: things on a plain ground, and textures that are nothing."""

from __future__ import annotations

import colorsys

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

_SHAPES = 5


def thing(rng: np.random.Generator, label: int, classes: int, size: int) -> Picture:
    """uint8 [size, size, 3]: the class decides shape and colour; chance place, scale and ground."""
    across, down = np.meshgrid(*[np.linspace(-1, 1, size)] * 2)
    x, y = (across - rng.uniform(-0.25, 0.25), down - rng.uniform(-0.25, 0.25))
    reach = rng.uniform(0.5, 0.7)
    distance = np.hypot(x, y)
    inside = (
        distance < reach,
        (distance < reach) & (distance > reach / 2),
        np.maximum(abs(x), abs(y)) < 0.8 * reach,
        (abs(x) < (y + reach) / 2) & (y < reach),
        np.minimum(abs(x), abs(y)) < 0.3 * reach,
    )[label % _SHAPES]
    colour = 255 * np.array(colorsys.hsv_to_rgb(label / classes, 0.9, 0.9))
    ground = rng.uniform(90, 200)
    picture = np.where(inside[..., None], colour, ground) + rng.normal(0, 8, (size, size, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def texture(rng: np.random.Generator, size: int) -> Picture:
    """uint8 [size, size, 3]: waves of any direction and colour."""
    across, down = np.meshgrid(*[np.linspace(-1, 1, size)] * 2)
    angle, pace = rng.uniform(0, np.pi), rng.uniform(5, 20)
    wave = np.sin(pace * (across * np.cos(angle) + down * np.sin(angle)) + rng.uniform(0, 6))
    dark, bright = rng.uniform(0, 255, (2, 3))
    picture: Picture = (dark + (bright - dark) * (wave[..., None] + 1) / 2).astype(np.uint8)
    return picture
