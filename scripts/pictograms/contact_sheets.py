"""Draws a contact sheet for each set of the bundled suite into docs/contact-sheets: look at each of them.

    python scripts/pictograms/contact_sheets.py [--names]

With --names (sheets to work with, written to build/) every drawing bears its file's name.
"""

from __future__ import annotations

import sys
import zipfile
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]
ARCHIVE = ROOT / "src" / "anchorline" / "data" / "pictograms.zip"
CELL, ACROSS = 40, 34  # pixels, drawings a row


def plain_sheet(archive: zipfile.ZipFile, members: list[str]) -> Image.Image:
    """Rows of drawings, one block of rows a class, its name at the left."""
    groups: dict[str, list[str]] = defaultdict(list)
    for member in members:
        groups[member.split("/")[-2]].append(member)
    rows = [(name if i == 0 else "", group[i : i + ACROSS]) for name, group in sorted(groups.items())
            for i in range(0, len(group), ACROSS)]  # fmt: skip
    sheet = Image.new("RGB", (110 + CELL * ACROSS, CELL * len(rows)), "white")
    pen = ImageDraw.Draw(sheet)
    for y, (name, row) in enumerate(rows):
        pen.text((4, y * CELL + 12), name[:18], fill="black")
        for x, member in enumerate(row):
            sheet.paste(_open(archive, member).resize((CELL - 4, CELL - 4)), (110 + x * CELL, y * CELL + 2))
    return sheet


def named_sheet(archive: zipfile.ZipFile, members: list[str]) -> Image.Image:
    across, width, height = 12, 130, 96
    sheet = Image.new("RGB", (across * width, -(-len(members) // across) * height), "white")
    pen = ImageDraw.Draw(sheet)
    for i, member in enumerate(members):
        x, y = i % across * width, i // across * height
        sheet.paste(_open(archive, member), (x + 30, y))
        *_, group, name = member.split("/")
        pen.text((x + 2, y + 65), group[:20], fill="darkred")
        pen.text((x + 2, y + 79), name.removesuffix(".png").split("--", 1)[1][-21:], fill="grey")
    return sheet


def _open(archive: zipfile.ZipFile, member: str) -> Image.Image:
    with archive.open(member) as file:
        return Image.open(file).convert("RGB")


def main() -> None:
    names = "--names" in sys.argv
    target = ROOT / ("build/contact-sheets" if names else "docs/contact-sheets")
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(ARCHIVE) as archive:
        sets: dict[str, list[str]] = defaultdict(list)
        for member in archive.namelist():
            depth = 2 if member.startswith(("shifts/", "outliers/")) else 1
            sets["-".join(member.split("/")[:depth])].append(member)
        for name, members in sets.items():
            if names:
                for page, start in enumerate(range(0, len(members), 240)):
                    named_sheet(archive, members[start : start + 240]).save(target / f"{name}-{page}.png")
            else:
                sheet = plain_sheet(archive, members).convert("P", palette=Image.Palette.ADAPTIVE, colors=32)
                sheet.save(target / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
