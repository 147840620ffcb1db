"""Paths as users write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from anchorline.engine.paths import expanded, with_homes
from anchorline.errors import UserError


@dataclass(frozen=True)
class Inner:
    test: Path | None = None


@dataclass(frozen=True)
class Command:
    inner: Inner
    out: Path
    runs: tuple[Path, ...]
    name: str = "~"


def test_every_path_of_a_command_has_its_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    given = Command(Inner(Path("~/test")), Path("~"), (Path("a~"), Path("~/b")))
    home = Path("/home/ada")
    assert with_homes(given) == Command(Inner(home / "test"), home, (Path("a~"), home / "b"))
    assert with_homes(Command(Inner(), Path("x"), ())) == Command(Inner(), Path("x"), ())


def test_a_home_that_nobody_knows():
    with pytest.raises(UserError, match=r"~nosuchuser/x begins with ~nosuchuser, and no such home directory"):
        expanded("~nosuchuser/x")
