"""Which code runs: its version, its commit, and the command that was given to it."""

from __future__ import annotations

import subprocess
from contextvars import ContextVar
from functools import cache
from pathlib import Path

__version__ = "0.1.0"
# What a page says of how it was made: the command line while `anchorline.cli.main` runs one.
command_line: ContextVar[str] = ContextVar("command_line", default="Python API")


@cache
def commit() -> str:
    """The commit of the source that runs, with "+" if files differ from it; "" outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        if not git("ls-files", Path(__file__).name):  # installed inside somebody else's repository
            return ""
        return git("rev-parse", "--short=12", "HEAD") + (
            "+" if git("status", "--porcelain", str(here)) else ""
        )
    except (OSError, subprocess.SubprocessError):
        return ""
