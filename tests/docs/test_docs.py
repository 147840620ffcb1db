"""What the documents show runs."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), flags=re.S)


def test_the_examples_of_the_constraints(tmp_path, monkeypatch):
    """In their order, each going on where the one before ended, as a reader would."""
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    code = blocks("constraints.md")
    assert len(code) >= 7
    known: dict[str, object] = {}
    for block in code:
        exec(compile(block, "docs/constraints.md", "exec"), known)  # documents are ours
