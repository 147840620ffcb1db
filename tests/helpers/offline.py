"""A page asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path


def check_offline(file: Path) -> None:
    page = file.read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; ")
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    assert len(scripts) == 2
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r"<(link|iframe|img|object|base)\b|\b(src|href)=|https?://", markup)
