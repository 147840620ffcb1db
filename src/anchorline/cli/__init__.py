"""The command line. Each command has a file: what it takes, a frozen dataclass whose docstrings are the help
texts, and the function that does it. The function imports what takes seconds, such as torch, so that --help
and a mistyped option answer at once."""

from anchorline.cli.main import main

__all__ = ["main"]
