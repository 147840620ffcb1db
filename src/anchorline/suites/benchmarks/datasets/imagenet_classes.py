"""The 1,000 classes of ImageNet, by WordNet id.

Suites match classes by name, and CLIP's names hold two of "missile" and two of "sunglasses". One of each
has its WordNet name instead, so that they stay two: "projectile" and "sunglass". A published figure of
CLIP is with the same caption for both; two classes in a thousand differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_FILE = files("anchorline") / "data" / "imagenet-classes.txt"
_ROWS = tuple(
    line.split("\t") for line in _FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")
)

WNIDS: tuple[str, ...] = tuple(wnid for wnid, _, _ in _ROWS)
"""Sorted: class 0 of everybody's ImageNet models is the first."""

NAME_OF: Mapping[str, str] = MappingProxyType({wnid: name for wnid, _, name in _ROWS})
"""The name of each class, unlike all others, by WordNet id."""

NAME_OF_A: Mapping[str, str] = MappingProxyType({wnid: name for wnid, sets, name in _ROWS if "A" in sets})
"""Of the 200 classes of ImageNet-A."""

NAME_OF_R: Mapping[str, str] = MappingProxyType({wnid: name for wnid, sets, name in _ROWS if "R" in sets})
"""Of the 200 classes of ImageNet-R."""
