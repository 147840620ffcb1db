"""Draws the contact sheet of the bundled segmentation suite into docs/contact-sheets/scenes.png: look at it.

    python scripts/draw_scenes.py

Eight scenes of each set; below each its mask, one colour a class, the background black.
"""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from anchorline.suites.masks.scenes import CLASSES, SIZE, scenes

TARGET = Path(__file__).parents[1] / "docs" / "contact-sheets" / "scenes.png"
ACROSS, MARGIN, LEFT = 8, 4, 80  # scenes a row, pixels between them, pixels for the names
CELL = SIZE + MARGIN


def main() -> None:
    hues = [colorsys.hsv_to_rgb(7 * i / len(CLASSES) % 1, 0.5 + i % 3 / 4, 1) for i in range(len(CLASSES))]
    palette = np.array([(0, 0, 0), *hues]) * 255
    sets = scenes().sets()
    sheet = Image.new("RGB", (LEFT + CELL * ACROSS, 2 * CELL * len(sets)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (name, images) in enumerate(sets.items()):
        pen.text((4, 2 * CELL * row + SIZE), name, fill="black")
        for i in range(ACROSS):
            x, y = LEFT + CELL * i, 2 * CELL * row
            sheet.paste(Image.fromarray(images.image(i)), (x, y))
            sheet.paste(Image.fromarray(palette[images.mask(i)].astype(np.uint8)), (x, y + SIZE))
    sheet.convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
