"""Adds the hand-drawn Doodle Icons by Khushmeen Sidhu to the unpacked icon sets, in their format.

    npm pack @iconify/json@2.2.535 react-doodle-icons@1.0.0    # unpack both
    python scripts/pictograms/doodle_icons.py REACT_DOODLE_ICONS ICONIFY

The npm package (MIT) carries the drawings as React components, whose sources lie in its source maps. Writes
ICONIFY/json/doodle-icons.json.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

INFO = {
    "name": "Doodle Icons",
    "author": {"name": "Khushmeen Sidhu", "url": "https://khushmeen.com/icons.html"},
    "license": {
        "title": "MIT",
        "spdx": "MIT",
        "url": "https://github.com/agilek/react-doodle-icons#readme",
    },
}
COMPONENT = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)".*?\{\.\.\.props\}\s*>(.*)</svg>', re.DOTALL)


def icon(component: str) -> dict[str, str | float]:
    """A React component's drawing as an entry of an icon set: its size and its body."""
    width, height, body = COMPONENT.search(component).groups()
    body = body.replace("{color}", '"currentColor"')
    # Attributes of JSX are in camel case.
    body = re.sub(
        r"(clip|fill|stroke)(Path|Rule|Width|Linecap|Linejoin)=",
        lambda m: f"{m[1]}-{m[2].lower()}=",
        body,
    )
    return {"width": float(width), "height": float(height), "body": body.strip()}


def main() -> None:
    package, iconify = map(Path, sys.argv[1:])
    components: dict[str, str] = {}
    for file in (package / "dist").glob("*.js.map"):
        written = json.loads(file.read_text())
        for source, text in zip(written["sources"], written.get("sourcesContent", ()), strict=False):
            name = Path(source).stem.removesuffix("Icon")
            components["-".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|\d+", name)).lower()] = text
    icons = {name: icon(text) for name, text in sorted(components.items()) if "viewBox" in text}
    file = iconify / "json" / "doodle-icons.json"
    file.write_text(json.dumps({"info": INFO, "icons": icons}))
    print(f"{len(icons)} icons in {file}")


if __name__ == "__main__":
    main()
