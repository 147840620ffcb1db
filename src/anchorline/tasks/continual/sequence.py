"""A suite's classes in disjoint tasks, one after the other, and the few old images that are rehearsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt

from anchorline.errors import UserError
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.suite import Suite

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TaskSequence:
    """Class-incremental tasks: at test time all classes seen so far compete, and nobody tells the task.

    Tasks are numbered from 1. Labels are places in the order in which classes are learnt, so that the classes
    seen after a task are the first ones, and the head grows at its end.

    Attributes:
        suite: where the images are.
        tasks: class numbers of the suite, by task.
        seed: what the order was drawn with.
    """

    suite: Suite
    tasks: tuple[tuple[int, ...], ...]
    seed: int

    def __len__(self) -> int:
        return len(self.tasks)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Class numbers of the suite in the order of learning."""
        return tuple(chain.from_iterable(self.tasks))

    def seen(self, task: int) -> int:
        """How many classes have been seen after a task."""
        return sum(map(len, self.tasks[:task]))

    def classes(self, task: int) -> tuple[str, ...]:
        """Names of the classes seen after a task, in the order of learning."""
        return tuple(self.suite.classes[number] for number in self.order[: self.seen(task)])

    def rows(self, images: ImageSet, first: int, last: int) -> Rows:
        """Numbers of the images of a set whose classes belong to tasks `first` to `last`, int64 [N]."""
        places = self.labels(images)
        return np.flatnonzero((places >= self.seen(first - 1)) & (places < self.seen(last)))

    def labels(self, images: ImageSet) -> Rows:
        """Places of the classes of all images of a set, int64 [N]."""
        assert images.labels is not None
        return self._places[images.labels]

    def competing(self, images: ImageSet, task: int) -> Rows:
        """Places of the classes that compete on a set after a task: those seen, less those that it lacks."""
        held = range(len(self.order)) if images.columns is None else self._places[list(images.columns)]
        return np.array(sorted(place for place in held if place < self.seen(task)), np.int64)

    @cached_property
    def _places(self) -> Rows:
        places = np.empty(len(self.order), np.int64)
        places[list(self.order)] = np.arange(len(self.order))
        return places


def draw_sequence(suite: Suite, tasks: int, seed: int) -> TaskSequence:
    """All classes of a suite in `tasks` disjoint tasks, in an order drawn by seed.

    Sizes differ by one at most, the larger tasks first.

    Raises `UserError` if a task would have fewer than two classes (nothing to tell apart), or no image in
    train, val or test.
    """
    count = len(suite.classes)
    if not 1 <= tasks <= count // 2:
        raise UserError(
            f"{count} classes do not make {tasks} tasks of two classes or more; give a number of --tasks "
            f"that is at most {count // 2}"
        )
    order = np.random.default_rng(seed).permutation(count).tolist()
    sequence = TaskSequence(suite, tuple(_parts(order, tasks)), seed)
    for task in range(1, tasks + 1):
        for images in (suite.train, suite.val, suite.test):
            if not len(sequence.rows(images, task, task)):
                raise UserError(
                    f"no image of {images.name} is of a class of task {task} of {tasks} (seed {seed}); give "
                    "fewer tasks, or images of more classes"
                )
    return sequence


def _parts(order: Sequence[int], tasks: int) -> list[tuple[int, ...]]:
    return [tuple(part.tolist()) for part in np.array_split(np.asarray(order), tasks)]


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
