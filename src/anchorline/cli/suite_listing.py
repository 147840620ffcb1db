"""What the command `suites` prints: the suites in the package, and public benchmarks that lie on disk."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Column, Table

from anchorline.cli.arguments import Suites
from anchorline.cli.suites import suggestion
from anchorline.errors import UserError
from anchorline.suites import SUITES, Suite
from anchorline.suites.disk import BENCHMARKS, Benchmark, Part, Split, State, check
from anchorline.suites.suite import counted

_MANY = 8  # names; of a longer list the first stands for all


def suites(command: Suites) -> None:
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
    elif name not in BENCHMARKS:
        known = [*SUITES, *BENCHMARKS]
        raise UserError(f"unknown suite {name!r}{suggestion(name, known)}; known are {', '.join(known)}")
    elif root is None:
        _describe(BENCHMARKS[name])
    else:
        if command.download:
            _download(BENCHMARKS[name], root)
        _report(BENCHMARKS[name], root)


def _bundled(name: str, suite: Suite) -> None:
    console = Console()
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
    console.print(table)
    console.print("classes: " + ", ".join(suite.classes), highlight=False)


def _known() -> None:
    """The benchmarks in a table."""
    table = Table(
        Column("suite", no_wrap=True), "classes",
        Column("shifts", overflow="fold"), Column("outlier sets", overflow="fold"),
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, title_justify="left",
        title="\npublic benchmarks, from disk: --suite NAME --root DIR",
    )  # fmt: skip
    for one in BENCHMARKS.values():
        table.add_row(one.name, str(len(one.classes)), _few(one.shifts), _few(one.outliers))
    Console().print(table)
    for one in BENCHMARKS.values():
        Console().print(f"[bold]{one.name}[/]: {one.about}. [dim]{one.paper}[/]", highlight=False)
    Console().print(
        "'anchorline suites NAME' says where to get the sets of one, 'anchorline suites NAME --root DIR' "
        "whether they are whole.",
        highlight=False,
    )


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    if len(listed) > _MANY:
        return f"{listed[0]} and {len(listed) - 1} more"
    return ", ".join(listed) or "–"


def _parts(benchmark: Benchmark) -> list[tuple[Part, list[tuple[str, Split]]]]:
    """Each data set once, with the roles that its splits have."""
    parts: dict[int, tuple[Part, list[tuple[str, Split]]]] = {}
    for role, split in benchmark.splits():
        parts.setdefault(id(split.part), (split.part, []))[1].append((role, split))
    return list(parts.values())


def _describe(benchmark: Benchmark) -> None:
    """Where to get each data set, its licence and its layout."""
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    console.print(f"[bold]{benchmark.name}[/]: {benchmark.about}. [dim]{benchmark.paper}[/]")
    for part, roles in _parts(benchmark):
        console.print(f"\n[bold]{part.name}[/]: {part.about}")
        sizes = [(role, part.images[split.name]) for role, split in roles]
        console.print(f"  for:      {_few(role + (f' ({n:,} images)' if n else '') for role, n in sizes)}")
        console.print(f"  where:    {part.source}", markup=False)
        console.print(f"  licence:  {part.licence}", markup=False)
        console.print(f"  expected: {part.layout}", markup=False)
        if part.download:
            console.print("  --download gets it")
    console.print(
        f"\nPut all below one directory DIR; 'anchorline suites {benchmark.name} --root DIR' checks them."
    )


def _download(benchmark: Benchmark, root: Path) -> None:
    """Get what is missing or not whole, as far as it can be had without asking anybody."""
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    top = root.expanduser()
    try:
        top.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {top} ({error.strerror}); give another --root DIR") from error
    lacking = {id(one.part): one.part for one in check(benchmark, top) if not one.good}
    for part in lacking.values():
        if part.download is None:
            console.print(f"{part.name}: to be got by hand")
        else:
            console.print(f"{part.name}: downloading from {part.source}; licence: {part.licence}")
            part.download(top)


def _report(benchmark: Benchmark, root: Path) -> None:
    """What lies below the root, and whether it is whole."""
    states = check(benchmark, root)
    table = Table(
        Column("for", no_wrap=True), "data set", Column("state", overflow="fold"),
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True,
        title=f"{benchmark.name} below {root}", title_justify="left",
    )  # fmt: skip
    for (_, words), alike in groupby(states, key=lambda one: (id(one.part), one.state)):
        group: list[State] = list(alike)
        role = group[0].role + (f" and {len(group) - 1} more" if len(group) > 1 else "")
        table.add_row(role, group[0].part.name, words, style=None if group[0].good else "yellow")
    console = Console(highlight=False, emoji=False)
    console.print(table)
    whole = sum(one.good for one in states)
    console.print(f"{whole} of {counted(len(states), 'set')} are complete.")
