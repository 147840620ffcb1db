"""What reaches a terminal: any text, on any terminal, and nothing that steers it."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

# Control characters other than tabs and line breaks: a file's name may hold a terminal's commands.
_STEERING = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}


def shown(text: str) -> str:
    """A text with its control characters written out, "\\x1b" for escape."""
    return text.translate(_STEERING)


class SafeConsole(Console):
    """rich's console for texts of other people's: control characters in them are written out."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(shown(text), **options)  # before it is laid out

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else shown(text), style, control)


def console(
    stderr: bool = False,
    quiet: bool = False,
    markup: bool = False,
    highlight: bool = False,
    soft_wrap: bool = False,
) -> Console:
    """One on standard output or standard error; unless rich's markup is asked for, "[b]" stays what it is."""
    return SafeConsole(
        stderr=stderr, quiet=quiet, markup=markup, highlight=highlight, soft_wrap=soft_wrap, emoji=False
    )


def tolerate() -> None:
    """Let standard output and error take any text: names of files as the bytes that they are, and what the
    terminal has no letters for written out. Standard input may name such files, too."""
    codecs.register_error("anchorline", _as_it_can)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a notebook's or a test's may have none
        if reconfigure:
            reconfigure(errors="anchorline")


def _as_it_can(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)
