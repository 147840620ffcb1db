"""Progress bars with time left, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from anchorline.engine.parallel import Progress
from anchorline.engine.terminal import console


class Narrator(Protocol):
    """Tells the user what goes on."""

    def say(self, sentence: str) -> None: ...

    def bar(self, title: str, unit: str = "images") -> Progress: ...


class Silent:
    """For library use: says nothing."""

    def say(self, sentence: str) -> None:
        return

    def bar(self, title: str, unit: str = "images") -> Progress:
        return lambda done, total: None


class Terminal:
    """For the command line: sentences and bars, in rich."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    def say(self, sentence: str) -> None:
        self._bars.console.print(sentence)

    def bar(self, title: str, unit: str = "images") -> Progress:
        task = None

        def tell(done: int, total: int) -> None:
            nonlocal task
            if task is None:  # a set that the cache holds shows no bar
                task = self._bars.add_task(title, total=total, unit=unit)
            self._bars.update(task, completed=done, total=total)

        return tell


@contextmanager
def terminal() -> Iterator[Terminal]:
    columns = (
        TextColumn("{task.description:<28}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console(stderr=True)) as bars:
        yield Terminal(bars)
