"""Whether the data sets of a benchmark are whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anchorline.errors import UserError
from anchorline.suites.disk.benchmark import Benchmark, Split, counted_images, labelled, root_folder
from anchorline.suites.disk.part import Part
from anchorline.suites.suite import StrPath


@dataclass(frozen=True)
class State:
    """What `check` found of one split: its role in the benchmark, its state in words, whether all is well."""

    role: str
    part: Part
    split: str
    state: str
    good: bool


def check(benchmark: Benchmark, root: StrPath) -> list[State]:
    """What lies below `root` of each split: number of images, class names, public checksums.

    Reads listings and labels, decodes nothing.
    """
    top = root_folder(root)
    return [_state(benchmark, role, split, top) for role, split in benchmark.splits()]


def _state(benchmark: Benchmark, role: str, split: Split, top: Path) -> State:
    def state(words: str, good: bool = False) -> State:
        return State(role, split.part, split.name, words, good)

    found = split.part.find(top)
    if found is None:
        return state(split.part.missing(top))
    try:
        listed = split.part.read(found, split.name)
        if not role.startswith("outlier"):
            labelled(role, split, listed, benchmark.classes, [])
        damaged = split.part.damaged(found)
    except (UserError, OSError) as error:
        return state(str(error))
    held, whole = len(listed.paths), split.part.images[split.name]
    if whole is not None and held != whole:
        return state(f"{held:,} of {counted_images(whole)}")
    if damaged:
        return state(f"{counted_images(held)}, but {damaged} is not the published file (its MD5 differs)")
    if whole is None:
        return state(f"{counted_images(held)}; no number is published to compare it with", good=held > 0)
    return state(f"complete: {counted_images(held)}", good=True)
