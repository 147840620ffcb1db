"""What is done and how it was measured, in words, for the screen and every page."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TypeAlias

from anchorline.encoders.encoder import Encoder
from anchorline.encoders.loading import BUNDLED as BUNDLED_ENCODER
from anchorline.engine.hardware import multiplies_bf16
from anchorline.suites.bundled import BUNDLED as BUNDLED_SUITE
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.suites.suite import Suite
from anchorline.version import __version__, command_line, commit

_LONG = 5_000 * 224 * 224  # pixels that take a minute

AnySuite: TypeAlias = Suite | SegmentationSuite


def plan(suite: AnySuite, adapted: str, notes: Iterable[str] = ()) -> str:
    """What is about to be done: on which images, and what is `adapted`."""
    sets = suite.sets()
    said = (
        f"{suite.name}: {len(suite.classes)} classes, {sum(map(len, sets.values())):,} images in {len(sets)} "
        f"sets; {adapted}"
    )
    return "\n".join([said, *(f"note: {note}" for note in notes)])


def told_of(encoder: Encoder) -> str:
    height, width = encoder.geometry.size
    return f"{encoder.name} at {height} x {width} px on {encoder.device}"


def unfit(suite: Suite, encoder: Encoder) -> list[str]:
    """A sentence where the bundled encoder meets images that it was not made for, perhaps."""
    if encoder.name != BUNDLED_ENCODER or suite.name == BUNDLED_SUITE:
        return []
    return [
        f"{encoder.name} knows drawings, not photographs; for those give another --encoder, such as "
        "ViT-B-32:laion2b_s34b_b79k"
    ]


def faster(suite: Suite, encoder: Encoder) -> list[str]:
    """A sentence where much is to be encoded on a CPU that multiplies in bfloat16."""
    images, (height, width) = sum(map(len, suite.sets().values())), encoder.geometry.size
    long = images * height * width > _LONG
    if not long or encoder.in_bf16 or encoder.device.type != "cpu" or not multiplies_bf16():
        return []
    return [
        f"this CPU computes in bfloat16, too: --encoder {encoder.name}@bf16 encodes images 1.3 to 2 times as "
        "fast, with features that differ in the third digit"
    ]


def how_measured(suite: Suite, encoder: Encoder) -> dict[str, str]:
    """The facts that every page about an encoder tells: on what, with what, by which code and when."""
    random = "; RANDOM weights: these figures say nothing about any method" if encoder.random else ""
    on = f"{encoder.name} (weights hash {encoder.hash}) on {encoder.device}{random}"
    return {"Command": command_line.get(), "Suite": of_suite(suite), "Encoder": on, **made_by()}


def of_suite(suite: AnySuite) -> str:
    """Which suite, and how many images each of its sets has."""
    sizes = ", ".join(f"{name} {len(images):,}" for name, images in suite.sets().items())
    return f"{suite.name} (hash {suite.hash}), {len(suite.classes)} classes; images: {sizes}"


def made_by() -> dict[str, str]:
    return {
        "Version": f"anchorline {__version__}, commit {commit() or 'unknown'}",
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }
