"""The rehearsal buffer: a few training images of old classes that may be looked at again."""

from __future__ import annotations

import numpy as np

from anchorline.tasks.continual.sequence import Rows, TaskSequence


def stored(sequence: TaskSequence, learnt: int, size: int) -> Rows:
    """Numbers of the training images that a buffer of `size` images in all holds after `learnt` tasks.

    Balanced by class, each class' images drawn at random by the sequence's seed, as iCaRL shares its memory
    (Rebuffi et al. 2017, arXiv 1611.07725) and CODA-Prompt's released code draws it. A class keeps the first
    of its own random order, and its share only shrinks: what is held now was held before.
    """
    train = sequence.suite.train
    places, classes = sequence.labels(train), sequence.seen(learnt)
    held: list[int] = []
    for place in range(classes):
        # Shares of the earliest classes are one larger where the size is no multiple.
        share = size // classes + (place < size % classes)
        members = np.flatnonzero(places == place)
        drawn = np.random.default_rng([sequence.seed, place]).permutation(members)
        held += drawn[:share].tolist()
    return np.array(sorted(held), np.int64)
