"""Reads icon sets (npm's `@iconify/json`), names what an icon shows and in which look, and draws it."""

from __future__ import annotations

import io
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

HERE = Path(__file__).parent
SIZE = 64  # pixels, both sides

OUTLINE = {"outline", "outlined", "line", "linear", "stroke", "regular"}
FILLED = {"fill", "filled", "solid", "baseline"}
DUOTONE = {"duotone", "twotone", "duo"}
# Tokens that say how an icon is drawn, or which of several drawings it is, and not what it shows.
MANNER = OUTLINE | FILLED | DUOTONE | {
    *("alt", "alternate", "basic", "block", "bold", "broken", "bulk", "color", "colored", "flat"),
    *("icon", "mini", "minimalistic", "remix", "round", "rounded", "sharp", "simple", "thin"),
    *("two", "three", "one", "tone", "variant", "freehand", "ios", "md", "f", "o", "px"),
}  # fmt: skip
# "light" is a weight in these sets and a lamp in all others ("traffic-light").
LIGHT_IS_A_WEIGHT = {"iconamoon", "lets-icons", "ph", "selfhst", "stash"}


@dataclass(frozen=True)
class Icon:
    """One drawing of one set."""

    set: str
    name: str
    phrase: str  # what it shows: the words of the name without those of manner and number
    manner: frozenset[str]  # how it is drawn: the other words
    aliases: tuple[str, ...]  # phrases of the set's other names for the drawing
    colour: bool  # has colours of its own (else: one ink)
    svg: str


@cache
def artists() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((HERE / "artists.toml").read_text())


def sides() -> dict[str, tuple[str, str]]:
    """set -> (side, artist) for every set in use."""
    return {
        name: (side, artist)
        for side in ("train", "suite", "pretrain")
        for artist, names in artists()[side].items()
        for name in names
    }


def read_set(iconify: Path, name: str) -> dict:
    """The set's JSON. Raises ValueError if its licence is not one of those allowed."""
    data = json.loads((iconify / "json" / f"{name}.json").read_text())
    licence = data["info"]["license"].get("spdx")
    if licence not in artists()["licences"]:
        raise ValueError(f"set {name}: licence {licence} is not on the list in artists.toml")
    return data


def split_name(name: str, categories: frozenset[tuple[str, ...]] = frozenset()) -> list[str]:
    words = re.split(r"[-_:]", name.lower())
    for category in sorted(categories, key=len, reverse=True):
        if len(words) > len(category) and tuple(words[: len(category)]) == category:
            return words[len(category) :]
    return words


def split_manner(words: list[str], set_name: str) -> tuple[str, frozenset[str]]:
    """What is shown, and the words that say how."""
    words = [re.sub(r"\d+(px)?$", "", word) for word in words]
    manners = MANNER | {"light"} if set_name in LIGHT_IS_A_WEIGHT else MANNER
    shown = " ".join(word for word in words if word and word not in manners)
    return shown, frozenset(word for word in words if word in manners)


def read_icons(iconify: Path, name: str) -> Iterator[Icon]:
    data = read_set(iconify, name)
    categories = frozenset(
        tuple(word.lower() for word in re.findall(r"[A-Z][a-z]+|[A-Z]+(?![a-z])", category))
        for category in data.get("categories", {})
    )
    aliases: dict[str, list[str]] = {}
    for alias, entry in data.get("aliases", {}).items():
        aliases.setdefault(entry["parent"], []).append(split_manner(split_name(alias, categories), name)[0])
    for key, icon in data["icons"].items():
        if icon.get("hidden"):
            continue
        words = split_name(key, categories)
        phrase, manner = split_manner(words, name)
        width = icon.get("width", data.get("width", 16))
        height = icon.get("height", data.get("height", 16))
        left, top = icon.get("left", data.get("left", 0)), icon.get("top", data.get("top", 0))
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}" '
            f'color="black">{icon["body"]}</svg>'
        )
        yield Icon(
            set=name,
            name=key,
            phrase=phrase,
            manner=manner,
            aliases=tuple(dict.fromkeys(a for a in aliases.get(key, []) if a and a != phrase)),
            colour=bool(data["info"].get("palette")),
            svg=svg,
        )


def draw(icon: Icon, size: int = SIZE) -> np.ndarray:
    """RGBA uint8 [size, size, 4], the drawing centred with its proportions kept.

    Raises ValueError if the drawing cannot be rendered.
    """
    width, height = map(float, re.search(r'width="([\d.]+)" height="([\d.]+)"', icon.svg).groups())
    if not width or not height:
        raise ValueError(f"{icon.set}--{icon.name} has no size")
    scale = size / max(width, height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    png = resvg_py.svg_to_bytes(svg_string=icon.svg, width=w, height=h, skip_system_fonts=True)
    with Image.open(io.BytesIO(bytes(png))) as image:
        pixels = np.asarray(image.convert("RGBA"))
    canvas = np.zeros((size, size, 4), np.uint8)
    top, left = (size - pixels.shape[0]) // 2, (size - pixels.shape[1]) // 2
    canvas[max(top, 0) : top + pixels.shape[0], max(left, 0) : left + pixels.shape[1]] = pixels[:size, :size]
    return canvas


def on_white(rgba: np.ndarray) -> np.ndarray:
    """RGB uint8 [..., 3]: the drawing on white paper."""
    alpha = rgba[..., 3:].astype(np.uint16)
    rgb = rgba[..., :3].astype(np.uint16)
    return ((rgb * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
