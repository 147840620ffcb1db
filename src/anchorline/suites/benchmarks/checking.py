"""Whether the data sets of a benchmark are whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anchorline.errors import UserError
from anchorline.suites.benchmarks.benchmark import Benchmark, Split, counted_images, labelled, root_folder
from anchorline.suites.benchmarks.dataset import Dataset, Listing
from anchorline.suites.labels import StrPath


@dataclass(frozen=True)
class State:
    """What `check` found of one split: its role in the benchmark, its state in words, whether all is well."""

    role: str
    part: Dataset
    split: str
    state: str
    good: bool


def check(benchmark: Benchmark, root: StrPath) -> list[State]:
    """What lies below `root` of each split: number of images, class names, public checksums.

    Reads listings and labels, decodes nothing. Raises `UserError` if the root is no folder.
    """
    top = root_folder(root)

    def state(role: str, split: Split) -> State:
        def named(listed: Listing) -> None:
            if not role.startswith("outlier"):
                labelled(role, split, listed, benchmark.classes, [])

        return _state(role, split.part, split.name, top, named)

    return [state(role, split) for role, split in benchmark.splits()]


def check_part(part: Dataset, root: StrPath) -> list[State]:
    """As `check`, of a data set that stands alone; the splits are the roles."""
    top = root_folder(root)
    return [_state(split, part, split, top, lambda listed: None) for split in part.images]


def _state(role: str, part: Dataset, split: str, top: Path, collect: Callable[[Listing], None]) -> State:
    """`collect` raises `UserError` for classes that are not the data set's."""

    def state(words: str, good: bool = False) -> State:
        return State(role, part, split, words, good)

    found = part.find(top)
    if found is None:
        return state(part.missing(top))
    try:
        listed = part.read(found, split)
        collect(listed)
        damaged = part.damaged(found)
    except (UserError, OSError) as error:
        return state(str(error))
    held, size = len(listed.paths), part.size(split)
    if size and not part.is_whole(split, held):
        return state(f"{held:,} of {size}")
    if damaged:
        return state(f"{counted_images(held)}, but {damaged} is not the published file (its MD5 differs)")
    if not size:
        return state(f"{counted_images(held)}; no number is published to compare it with", good=held > 0)
    return state(f"complete: {counted_images(held)}", good=True)
