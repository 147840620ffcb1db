"""Where tables stand in the docs: between <!-- figures:NAME --> and <!-- end -->."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def put(file: Path, name: str, text: str) -> None:
    """Put a text in the place of that name. Raises ValueError where a file does not have exactly one."""
    old = file.read_text()
    pattern = rf"(<!-- figures:{name} -->\n).*?(<!-- end -->)"
    new, count = re.subn(pattern, lambda m: m[1] + text + "\n" + m[2], old, flags=re.S)
    if count != 1:
        raise ValueError(f"{file} has {count} places for {name}")
    file.write_text(new)
