"""Every table that a script writes has its one place in the docs."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_table_has_one_place():
    script = "".join((ROOT / "scripts" / name).read_text() for name in ("figures.py", "photographs_table.py"))
    names = re.findall(r'put\(\s*[^,]+, "([\w-]+)"', script)
    assert len(names) >= 12
    pages = [(ROOT / "README.md"), *(ROOT / "docs").glob("*.md")]
    texts = [page.read_text() for page in pages]
    for name in names:
        mark = rf"<!-- figures:{name} -->\n.*?<!-- end -->"
        assert sum(len(re.findall(mark, text, flags=re.S)) for text in texts) == 1, name
