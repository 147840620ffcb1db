"""Texts of other people's on a terminal: nothing in them steers it, and any terminal can show them."""

from __future__ import annotations

import io
import sys

import pytest
from rich.progress import Progress
from rich.table import Table

from anchorline.engine.terminal import console, shown, tolerate

TITLE = "\x1b]0;owned\x1b[31mred \x9b2J[bold]:cat:"


@pytest.mark.parametrize("control", [chr(code) for code in (*range(9), 11, 13, 27, 127, 0x85, 0x9B)])
def test_control_characters_are_written_out(control):
    assert shown(f"a{control}b") == f"a\\x{ord(control):02x}b"


def test_letters_of_any_script_tabs_and_lines_stay():
    assert shown("é 猫\t\n–") == "é 猫\t\n–"


def test_sentences_tables_and_bars_show_names_as_they_are(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    table = Table(TITLE, title=TITLE)
    table.add_row(TITLE)
    screen = console(soft_wrap=True)
    screen.width = 300
    screen.print(TITLE)
    screen.print(table)
    with Progress(console=screen) as bars:
        bars.add_task("x", total=1)
        screen.print(TITLE)
    said = sys.stdout.getvalue()  # type: ignore[attr-defined]
    assert not any(control in said for control in "\x1b\x9b")
    assert said.count(r"\x1b]0;owned\x1b[31mred \x9b2J[bold]:cat:") == 5


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", b"caf\xe9 \xe2\x80\x93"), ("ascii", b"caf\xe9 \\u2013")]
)
def test_any_name_can_be_printed_anywhere(monkeypatch, encoding, expected):
    bytes_out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_out, encoding, errors="strict"))
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # cannot be told
    tolerate()
    print("caf\udce9 –", end="", flush=True)
    assert bytes_out.getvalue() == expected
