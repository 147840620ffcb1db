"""Writes what ships: the archive of PNGs and the attribution."""

from __future__ import annotations

import io
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from choosing import Drawing
from icons import read_set
from PIL import Image


def png(rgb: np.ndarray) -> bytes:
    image = Image.fromarray(rgb)
    if (rgb == rgb[..., :1]).all():
        image = Image.fromarray(np.ascontiguousarray(rgb[..., 0]))
    elif (colours := image.getcolors(256)) is not None:
        palette = [value for _, colour in sorted(colours, key=lambda c: c[1]) for value in colour]
        indexed = Image.new("P", image.size)
        lookup = {tuple(palette[i : i + 3]): i // 3 for i in range(0, len(palette), 3)}
        indexed.putpalette(palette)
        indexed.putdata([lookup[tuple(pixel)] for pixel in rgb.reshape(-1, 3).tolist()])
        image = indexed
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write(suite: dict[str, list[Drawing]], file: Path) -> None:
    """A zip of PNGs: train/CLASS/…, val/CLASS/…, test/CLASS/…, shifts/NAME/CLASS/…, outliers/NAME/…."""
    unfinished = file.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
        for where, drawings in suite.items():
            for d in sorted(drawings, key=lambda d: (d.label, d.member)):
                path = f"{where}/{d.label}/{d.member}" if d.label else f"{where}/{d.member}"
                archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), png(d.pixels))
    unfinished.replace(file)


def attribution(iconify: Path, suite: dict[str, list[Drawing]]) -> str:
    used: dict[str, Counter[str]] = defaultdict(Counter)
    for where, drawings in suite.items():
        for d in drawings:
            used[d.icon.set][where] += 1
    lines = [
        "# Who drew the pictograms",
        "",
        "The images of the bundled suite `pictograms` are drawings of the icon sets below, rendered at",
        "64 x 64 pixels on white and not otherwise changed. Each stays under its own licence. Brand logos",
        "are trademarks of their owners and serve only as images of no known class.",
        "",
        "| set | author | licence | images | in |",
        "|---|---|---|---|---|",
    ]
    for name in sorted(used):
        info = read_set(iconify, name)["info"]
        author, licence = info["author"], info["license"]
        where = ", ".join(f"{w.split('/')[-1]} {n}" for w, n in sorted(used[name].items()))
        lines.append(
            f"| [{info['name']}]({author.get('url', '')}) | {author['name']} | "
            f"[{licence['title']}]({licence.get('url', '')}) | {sum(used[name].values())} | {where} |"
        )
    return "\n".join(lines) + "\n"
