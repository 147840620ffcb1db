"""The shipped words: 10,000 English nouns of WordNet 3.1, their licence beside them.

`scripts/build_words.py` makes them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def nouns() -> tuple[str, ...]:
    """The words that NegLabel mines its negative ones from, the most common first."""
    return tuple((files("anchorline") / "data" / "words" / "nouns.txt").read_text("utf-8").split())
