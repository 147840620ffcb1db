"""The shipped word list: 10,000 English nouns of WordNet 3.1, its licence beside it (`scripts/build_words.py`)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def nouns() -> tuple[str, ...]:
    """The words that NegLabel mines its negative ones from, the most common first."""
    return tuple((files("anchorline") / "data" / "words" / "nouns.txt").read_text("utf-8").split())
