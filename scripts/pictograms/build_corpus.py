"""Builds the images and captions that pictogram-clip is pre-trained on: icon sets the suite does not use.

    python scripts/pictograms/build_corpus.py ICONIFY EMOJIBASE OUT

ICONIFY and EMOJIBASE are the unpacked npm packages @iconify/json and emojibase-data. Drawings that are
near-duplicates of any image of the bundled suite are left out. Takes about five minutes on two cores and
2.5 GB of disk; killed, it goes on where it was. Writes into OUT:

    ink.npy      uint8 [M, 64, 64]      coverage of the drawings in one ink
    colour.npy   uint8 [C, 64, 64, 4]   RGBA of the others
    records.jsonl   one line an image, those in ink first: {"icon": "set--name", "captions": ["key", …]}
"""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from build_suite import DATA
from choosing import NEAR_DUPLICATE
from hashing import nearest, perceptual_hash
from icons import SIZE, Icon, draw, on_white, read_icons, sides
from PIL import Image

LOGOS = {"devicon", "devicon-plain", "selfhst", "thesvg", "thesvg-color", "token", "token-branded"}
EMOJI = {"noto", "noto-v1", "fluent-emoji", "fluent-emoji-flat", "fluent-emoji-high-contrast"}
SKIN_TONE = re.compile(r"-(light|medium|dark)(-skin-tone)?$")


def suite_hashes() -> np.ndarray:
    hashes = []
    with zipfile.ZipFile(DATA / "pictograms.zip") as archive:
        for member in archive.namelist():
            with Image.open(io.BytesIO(archive.read(member))) as image:
                hashes.append(perceptual_hash(np.asarray(image.convert("RGB"))))
    return np.stack(hashes)


def emoji_tags(emojibase: Path) -> dict[str, str]:
    """emoji name with spaces -> its name and tags: "key" -> "key, lock, major, minor"."""
    entries = json.loads((emojibase / "en" / "data.json").read_text())
    return {e["label"]: ", ".join([e["label"], *e["tags"]]) for e in entries if e.get("tags")}


def captions(icon: Icon, tags: dict[str, str]) -> list[str]:
    if icon.set in LOGOS:
        return [f"{icon.phrase} logo"]
    found = [icon.phrase, *icon.aliases]
    if icon.set in EMOJI and icon.phrase in tags:
        found.append(tags[icon.phrase])
    return list(dict.fromkeys(found))


def render(icons: list[Icon]) -> list[tuple[np.ndarray, np.ndarray] | None]:
    """Pixels and hash of each icon: RGBA where it has colours of its own, else coverage."""
    drawn: list[tuple[np.ndarray, np.ndarray] | None] = []
    for icon in icons:
        try:
            rgba = draw(icon)
        except ValueError:
            drawn.append(None)
            continue
        paper = on_white(rgba)
        grey = bool((rgba[..., :3].max(-1) - rgba[..., :3].min(-1)).max() == 0)
        pixels = 255 - paper[..., 0] if grey and not icon.colour else rgba
        drawn.append((pixels, perceptual_hash(paper)) if paper.min() < 200 else None)
    return drawn


def read_part(file: Path) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    with np.load(file) as part:
        return part["ink"], part["colour"], json.loads(str(part["records"]))


def build_part(name: str, iconify: Path, tags: dict[str, str], known: np.ndarray, file: Path) -> None:
    """Draws one icon set and writes the drawings that are no near-duplicates of the suite's images."""
    icons = [i for i in read_icons(iconify, name) if i.phrase]
    if name in EMOJI:
        icons = [i for i in icons if not SKIN_TONE.search(i.name)]
    found = [(i, *d) for i, d in zip(icons, render(icons), strict=True) if d is not None]
    distance, _ = nearest(np.stack([h for *_, h in found]), known)
    kept = [(i, p) for (i, p, _), d in zip(found, distance, strict=True) if d > NEAR_DUPLICATE]
    ordered = sorted(kept, key=lambda pair: pair[1].ndim)  # in ink first, else as in the set
    ink = [p for _, p in ordered if p.ndim == 2]
    colour = [p for _, p in ordered if p.ndim == 3]
    records = [{"icon": f"{i.set}--{i.name}", "captions": captions(i, tags)} for i, _ in ordered]
    unfinished = file.with_suffix(".unfinished.npz")
    np.savez(
        unfinished,
        ink=np.stack(ink) if ink else np.zeros((0, SIZE, SIZE), np.uint8),
        colour=np.stack(colour) if colour else np.zeros((0, SIZE, SIZE, 4), np.uint8),
        records=json.dumps(records),
    )
    unfinished.replace(file)
    print(
        f"{name}: {len(records)} drawings, {len(found) - len(kept)} near-duplicates left out",
        flush=True,
    )


def far(pixels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which drawings, uint8 [N, 64, 64] or [N, 64, 64, 4], are no near-duplicates: the last word, also
    where a part was drawn for an earlier state of the suite."""
    keep = []
    for start in range(0, len(pixels), 4096):
        block = pixels[start : start + 4096]
        papers = on_white(block) if block.ndim == 4 else np.repeat(255 - block[..., None], 3, -1)
        keep.append(nearest(np.stack([perceptual_hash(p) for p in papers]), known)[0] > NEAR_DUPLICATE)
    return np.concatenate(keep)


def main() -> None:
    iconify, emojibase, out = map(Path, sys.argv[1:])
    parts = out / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    tags, known = emoji_tags(emojibase), suite_hashes()
    names = sorted(name for name, (side, _) in sides().items() if side == "pretrain")
    with ProcessPoolExecutor() as pool:
        jobs = [
            pool.submit(build_part, name, iconify, tags, known, parts / f"{name}.npz")
            for name in names
            if not (parts / f"{name}.npz").exists()  # a killed run goes on here
        ]
        for job in jobs:
            job.result()
    ink, colour, records = zip(*(read_part(parts / f"{name}.npz") for name in names), strict=True)
    in_ink = [r for i, rs in zip(ink, records, strict=True) for r in rs[: len(i)]]
    in_colour = [r for i, rs in zip(ink, records, strict=True) for r in rs[len(i) :]]
    kept_ink, kept_colour = far(np.concatenate(ink), known), far(np.concatenate(colour), known)
    np.save(out / "ink.npy", np.concatenate(ink)[kept_ink])
    np.save(out / "colour.npy", np.concatenate(colour)[kept_colour])
    kept = [r for r, k in zip(in_ink + in_colour, [*kept_ink, *kept_colour], strict=True) if k]
    with (out / "records.jsonl").open("w") as file:
        file.writelines(json.dumps(record) + "\n" for record in kept)
    print(f"{kept_ink.sum()} in ink, {kept_colour.sum()} in colours")


if __name__ == "__main__":
    main()
