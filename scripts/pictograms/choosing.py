"""Chooses the images of the suite: which drawing shows which class, in which look, on which side."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from hashing import nearest, perceptual_hash
from icons import HERE, Icon, draw, on_white, read_icons, sides

NEAR_DUPLICATE = 26  # bits of 255; pairs at and below it were looked at and are the same drawing
TRAIN_PER_CLASS = 32  # train and val together
VAL_SHARE = 0.25
PER_SET_AND_CLASS = 6  # so that one artist does not speak for all
TEST_PER_CLASS = 30  # so that locks and monitors do not speak for all classes
OUTLIERS = 500
SHIFTS = ("filled", "duotone", "colour", "emoji", "pixel", "hand-drawn")
DROPPED = HERE / "dropped.txt"  # mislabelled drawings, found by looking at the contact sheets


@dataclass
class Drawing:
    icon: Icon
    artist: str
    label: str  # class name, or "" for an outlier
    pixels: np.ndarray
    hash: np.ndarray

    @property
    def member(self) -> str:
        return f"{self.icon.set}--{self.icon.name}.png"


@cache
def table(name: str) -> dict:
    return tomllib.loads((HERE / f"{name}.toml").read_text())


@cache
def class_of_phrase() -> dict[str, str]:
    known: dict[str, str] = {}
    for key, phrases in table("classes")["classes"].items():
        for phrase in phrases:
            if known.setdefault(phrase, key) != key:
                raise ValueError(f"{phrase!r} is in two classes: {known[phrase]}, {key}")
    return {phrase: key.replace("-", " ") for phrase, key in known.items()}


def look(icon: Icon) -> str:
    """The look in which the icon is drawn, "" if it is one that the suite does not use."""
    looks = table("looks")
    # Another drawing of the same thing is welcome. Numbers are not: "two-key" is a key of two.
    free = icon.manner - {"alt", "alternate", "simple", "basic", "freehand", "icon", "o"}
    for word, exception in looks["exceptions"].get(icon.set, {}).items():
        if word in free:
            return exception if len(free) == 1 else ""
    for name, rule in looks.items():
        if (not free and icon.set in rule.get("plain", ())) or (
            len(free) == 1 and free <= set(rule.get("words", ()))
        ):
            return _paper(icon, name)
    return ""


def _paper(icon: Icon, name: str) -> str:
    # A set of emoji, pixel art or hand drawings stays that, whatever its words of manner say.
    for own in ("emoji", "pixel", "hand-drawn"):
        if icon.set in table("looks")[own]["plain"]:
            return own
    return name


def order(drawing: Drawing) -> str:
    """A fixed shuffle that does not change when other drawings come or go."""
    return hashlib.sha256(drawing.member.encode()).hexdigest()


def collect(iconify: Path, side: str) -> dict[str, list[Drawing]]:
    """look -> drawings of the classes, and "outlier/NAME" -> candidates, of the artists of one side."""
    dropped = {line.split()[0] for line in DROPPED.read_text().splitlines() if not line.startswith("#")}
    found: dict[str, list[Drawing]] = defaultdict(list)
    for name, (its_side, artist) in sorted(sides().items()):
        if its_side != side:
            continue
        for icon in read_icons(iconify, name):
            if f"{icon.set}--{icon.name}" in dropped:
                continue
            for where, label in places(icon):
                try:
                    pixels = on_white(draw(icon))
                except ValueError:
                    continue
                if pixels.min() < 160:
                    found[where].append(Drawing(icon, artist, label, pixels, perceptual_hash(pixels)))
    return {where: sorted(drawings, key=order) for where, drawings in found.items()}


def places(icon: Icon) -> list[tuple[str, str]]:
    its_look = look(icon)
    label = class_of_phrase().get(icon.phrase)
    if label and its_look:
        return [(its_look, label)]
    found = []
    for name, rule in table("outliers").items():
        if rule["look"] != "any" and rule["look"] != its_look:
            continue
        if "sets" in rule and icon.set not in rule["sets"]:
            continue
        if any(re.fullmatch(p, icon.phrase) for p in rule.get("not_patterns", ())):
            continue
        patterns, phrases = rule.get("patterns", ()), rule.get("phrases", ())
        everything = not patterns and not phrases
        if everything or icon.phrase in phrases or any(re.fullmatch(p, icon.phrase) for p in patterns):
            found.append((f"outlier/{name}", ""))
    return found[:1]


def distinct(drawings: list[Drawing], against: list[Drawing]) -> list[Drawing]:
    """Those that are near-duplicates neither of `against` nor of one another (the first stays)."""
    if not drawings:
        return []
    hashes = np.stack([d.hash for d in drawings])
    keep = np.ones(len(drawings), bool)
    if against:
        keep &= nearest(hashes, np.stack([d.hash for d in against]))[0] > NEAR_DUPLICATE
    agreement = hashes.astype(np.float32) @ hashes.astype(np.float32).T
    close = (256 - agreement) / 2 <= NEAR_DUPLICATE
    for i in range(len(drawings)):
        if keep[i] and (close[i, :i] & keep[:i]).any():
            keep[i] = False
    return [d for d, kept in zip(drawings, keep, strict=True) if kept]


def capped(drawings: list[Drawing], per_set: int, per_class: int | None = None) -> list[Drawing]:
    seen: Counter[tuple[str, str]] = Counter()
    classes: Counter[str] = Counter()
    kept = []
    for d in drawings:
        seen[d.icon.set, d.label] += 1
        if seen[d.icon.set, d.label] <= per_set and (per_class is None or classes[d.label] < per_class):
            classes[d.label] += 1
            kept.append(d)
    return kept


def build(iconify: Path) -> dict[str, list[Drawing]]:
    """set path ("train", "shifts/emoji", …) -> its drawings."""
    own = collect(iconify, "train")
    others = collect(iconify, "suite")
    suite: dict[str, list[Drawing]] = {"train": [], "val": []}
    by_class: dict[str, list[Drawing]] = defaultdict(list)
    for d in capped(distinct(own["outline"], []), TRAIN_PER_CLASS, TRAIN_PER_CLASS):
        by_class[d.label].append(d)
    for drawings in by_class.values():
        n_val = max(1, round(VAL_SHARE * len(drawings)))
        suite["val"] += drawings[:n_val]
        suite["train"] += drawings[n_val:]
    taken = suite["train"] + suite["val"]
    suite["test"] = capped(distinct(others["outline"], taken), PER_SET_AND_CLASS, TEST_PER_CLASS)
    for name in SHIFTS:
        suite[f"shifts/{name}"] = capped(distinct(others[name], taken), PER_SET_AND_CLASS, TEST_PER_CLASS)
    for name in table("outliers"):
        known = taken + suite["test"]
        suite[f"outliers/{name}"] = distinct(others[f"outlier/{name}"], known)[:OUTLIERS]
    return suite
