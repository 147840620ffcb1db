"""The command `suites`: the suites in the package, and public benchmarks that lie on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich import box
from rich.table import Column, Table

from anchorline.engine.terminal import console
from anchorline.errors import UserError, suggestion

if TYPE_CHECKING:
    from anchorline.suites import Suite
    from anchorline.suites.benchmarks import Benchmark, Dataset, Split, State

_MANY = 8  # names; of a longer list the first stands for all


@dataclass(frozen=True)
class Suites:
    """List the suites: those in the package, and public benchmarks that you have on disk."""

    name: tyro.conf.Positional[str] = ""
    """Say where to get each part of this benchmark, and how it must lie."""
    root: Path | None = None
    """Check what of it lies in this directory."""
    download: bool = False
    """Get into --root what may be downloaded without asking anybody."""


def suites(command: Suites) -> None:
    from anchorline.suites import SUITES
    from anchorline.suites.benchmarks import BENCHMARKS, MASKED, Split, check, check_part

    name, root = command.name, command.root
    if command.download and (not name or root is None):
        raise UserError(
            "--download needs a benchmark and a place: anchorline suites NAME --root DIR --download"
        )
    if not name:
        if root:
            raise UserError(
                f"--root {root}: say which benchmark to check, anchorline suites NAME --root {root}"
            )
        for bundled, make in SUITES.items():
            _bundled(bundled, make())
        _known()
    elif name in SUITES:
        if root:
            raise UserError(f"--root {root}: {name} is in the package; leave --root out")
        _bundled(name, SUITES[name]())
    elif name in BENCHMARKS:
        one = BENCHMARKS[name]
        if root is None:
            _describe(one.name, f"{one.about}. [dim]{one.paper}[/]", _parts(one))
        else:
            _look(name, root, lambda top: check(one, top), command.download)
    elif name in MASKED:
        part = MASKED[name]
        if root is None:
            splits = [(split, Split(part, split)) for split in part.images]
            _describe(name, "for 'anchorline segment'; the published val is its test", [(part, splits)])
        else:
            _look(name, root, lambda top: check_part(part, top), command.download)
    else:
        known = [*SUITES, *BENCHMARKS, *MASKED]
        raise UserError(f"unknown suite {name!r}{suggestion(name, known)}; known are {', '.join(known)}")


def _bundled(name: str, suite: Suite) -> None:
    table = Table(
        "set", "images", "classes", title=f"{name}: {len(suite.classes)} classes", title_justify="left"
    )
    for kind, sets in (
        ("", {"train": suite.train, "val": suite.val, "test": suite.test}),
        ("shift: ", suite.shifts),
        ("outlier: ", suite.outliers),
    ):
        for title, images in sets.items():
            held = "–" if images.labels is None else str(len(images.columns or suite.classes))
            table.add_row(kind + title, f"{len(images):,}", held)
    console().print(table)
    console().print("classes: " + ", ".join(suite.classes))


def _known() -> None:
    """The benchmarks in a table."""
    from anchorline.suites.benchmarks import BENCHMARKS, MASKED

    table = Table(
        Column("suite", no_wrap=True), "classes",
        Column("shifts", overflow="fold"), Column("outlier sets", overflow="fold"),
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, title_justify="left",
        title="\npublic benchmarks, from disk: --suite NAME --root DIR",
    )  # fmt: skip
    for one in BENCHMARKS.values():
        table.add_row(one.name, str(len(one.classes)), _few(one.shifts), _few(one.outliers))
    console().print(table)
    for one in BENCHMARKS.values():
        console(markup=True).print(f"[bold]{one.name}[/]: {one.about}. [dim]{one.paper}[/]")
    masked = Table(
        Column("suite", no_wrap=True), "train", "test", Column("classes", overflow="fold"),
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, title_justify="left",
        title="\nfor segmentation: anchorline segment --suite NAME --root DIR (scenes is in the package)",
    )  # fmt: skip
    for part in MASKED.values():
        masked.add_row(
            part.name, *(part.size(split).removesuffix(" images") for split in part.images), part.about
        )
    console().print(masked)
    console().print(
        "'anchorline suites NAME' says where to get the sets of one, 'anchorline suites NAME --root DIR' "
        "whether they are whole.",
        highlight=False,
    )


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    if len(listed) > _MANY:
        return f"{listed[0]} and {len(listed) - 1} more"
    return ", ".join(listed) or "–"


def _parts(benchmark: Benchmark) -> list[tuple[Dataset, list[tuple[str, Split]]]]:
    """Each data set once, with the roles that its splits have."""
    parts: dict[int, tuple[Dataset, list[tuple[str, Split]]]] = {}
    for role, split in benchmark.splits():
        parts.setdefault(id(split.part), (split.part, []))[1].append((role, split))
    return list(parts.values())


def _describe(name: str, about: str, parts: list[tuple[Dataset, list[tuple[str, Split]]]]) -> None:
    """Where to get each data set, its licence and its layout."""
    screen = console(markup=True, soft_wrap=True)
    screen.print(f"[bold]{name}[/]: {about}")
    for part, roles in parts:
        screen.print(f"\n[bold]{part.name}[/]: {part.about}")
        sizes = [(role, part.size(split.name)) for role, split in roles]
        screen.print(f"  for:      {_few(role + (f' ({size})' if size else '') for role, size in sizes)}")
        screen.print(f"  where:    {part.source}", markup=False)
        screen.print(f"  licence:  {part.licence}", markup=False)
        screen.print(f"  expected: {part.layout}", markup=False)
        if part.download:
            screen.print("  --download gets it")
    screen.print(f"\nPut all below one directory DIR; 'anchorline suites {name} --root DIR' checks them.")


def _look(name: str, root: Path, states: Callable[[Path], list[State]], download: bool) -> None:
    """What lies below the root, after what is lacking was downloaded, if asked for.

    Raises `UserError` at the end if a download leaves something that is not whole; exits with status 1, for
    scripts, if anything is not whole.
    """
    tried = _download(states, root) if download else []
    found = states(root)
    _report(name, root, found)
    failed = {one.part.name: None for one in found if not one.good and one.part.name in tried}
    if failed:
        raise UserError(
            f"{', '.join(failed)} could not be downloaded whole, for the reasons that stand above; where a "
            "broken copy is in the way, move it away first"
        )
    if not all(one.good for one in found):
        raise SystemExit(1)


def _download(states: Callable[[Path], list[State]], top: Path) -> list[str]:
    """Get what is missing or not whole, as far as one may; the names of what was tried."""
    screen = console(soft_wrap=True)
    try:
        top.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {top} ({error.strerror}); give another --root DIR") from error
    tried = []
    lacking = {id(one.part): one.part for one in states(top) if not one.good}
    for part in lacking.values():
        if part.download is None:
            screen.print(f"{part.name}: to be got by hand")
            continue
        screen.print(f"{part.name}: downloading from {part.source}; licence: {part.licence}")
        tried.append(part.name)
        try:
            part.download(top)
        except UserError as error:  # the others may well be had
            screen.print(f"{part.name}: {error}", style="yellow")
    return tried


def _report(name: str, root: Path, states: list[State]) -> None:
    """Which sets are whole."""
    from anchorline.suites.labels import counted

    table = Table(
        Column("for", no_wrap=True), "data set", Column("state", overflow="fold"),
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True,
        title=f"{name} below {root}", title_justify="left",
    )  # fmt: skip
    for (_, words), alike in groupby(states, key=lambda one: (id(one.part), one.state)):
        group: list[State] = list(alike)
        role = group[0].role + (f" and {len(group) - 1} more" if len(group) > 1 else "")
        table.add_row(role, group[0].part.name, words, style=None if group[0].good else "yellow")
    console().print(table)
    whole = sum(one.good for one in states)
    console().print(f"{whole} of {counted(len(states), 'set')} are complete.")
