"""The bundled segmentation suite: scenes composed of the drawings of the suite `pictograms`.

Two to five things lie on a textured ground, later ones on top of earlier ones. The masks are exact: the
pixels that a thing replaced are the thing's. Train and val are composed of the outline drawings of train and
val, test of those of other artists, and a shift of the same things in another look; the grounds are of the
same kinds everywhere, so that a shift differs from test in the look of its things alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from zlib import crc32

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops
from scipy.ndimage import binary_closing, binary_erosion, binary_fill_holes, maximum_filter

from anchorline.engine.parallel import thread_map
from anchorline.suites.bundled import pictograms
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.rgb import Pixels, open_rgb
from anchorline.suites.labels import counted
from anchorline.suites.masks.grounds import Floats, ground, muted
from anchorline.suites.masks.sets import Arrays, MaskedSet
from anchorline.suites.masks.suite import SegmentationSuite

SIZE = 128  # pixels, height and width of a scene
THINGS = (2, 5)  # fewest and most in a scene
LONGEST = (40, 72)  # pixels, the longer side of a thing
TURN = 15.0  # degrees, at most, to either side
CLASSES = (
    "airplane", "bell", "book", "bus", "camera", "car", "coffee cup", "flower", "house", "ice cream",
    "light bulb", "microphone", "paintbrush", "pencil", "rocket", "stopwatch", "train",
    "tree", "truck", "watch",
)  # fmt: skip

_INK = 0.06  # darkness from which a pixel is the drawing's: pale tones are, and at an edge half of the ink
_OVER_INK = [255 * (level > 255 * _INK) for level in range(256)] * 3  # a table for Pillow
_FINE = 2  # drawings are turned at so many times their size, and lose nothing by it
_PLACES = 8  # tried for a thing, until none below loses more than half of what was drawn of it
_SEEN = 0.5
_SQUARE = np.ones((3, 3), bool)

Bools = npt.NDArray[np.bool_]
Drawings = Mapping[int, Sequence[Image.Image]]  # RGB on white, by class index


@lru_cache(maxsize=2)
def scenes(
    seed: int = 0, *, train: int = 320, val: int = 96, test: int = 240, shift: int = 120
) -> SegmentationSuite:
    """128 x 128 pixels, background and 20 classes; so many scenes in train, val, test and each shift.

    Of the 86 classes of `pictograms` each of these has five drawings or more in train, two in val, 13 in test
    and one in every look. Not among them are things whose masks would be thin lines (key, scissors, shopping
    cart). Some are easily confused: bus, car, train and truck; pencil
    and paintbrush; watch and stopwatch; flower and tree.

    The same seed gives the same scenes, and scene i is the same however many there are. The suites last asked
    for are kept.
    """
    drawn = pictograms()
    counts = {"train": train, "val": val, "test": test, **dict.fromkeys(drawn.shifts, shift)}
    notes = ["background is a class, index 0, and counts"]
    sets: dict[str, MaskedSet] = {}
    for name, count in counts.items():
        drawings = _drawings(drawn.sets()[name], drawn.classes)
        sets[name] = _composed(name, drawings, count, seed)
        total = sum(map(len, drawings.values()))
        notes.append(
            f"{name}: {counted(count, 'scene')} of {counted(total, 'drawing')} of "
            f"{len(drawings)} of the {len(CLASSES)} classes"
        )
    return SegmentationSuite(
        name="scenes",
        classes=("background", *CLASSES),
        train=sets["train"],
        val=sets["val"],
        test=sets["test"],
        shifts={name: sets[name] for name in drawn.shifts},
        notes=tuple(notes),
    )


def _drawings(images: ImageSet, classes: tuple[str, ...]) -> Drawings:
    """The drawings of one set that are of our classes."""
    assert images.labels is not None
    found: dict[int, list[Image.Image]] = {}
    for path, label in zip(images.paths, images.labels, strict=True):
        if classes[label] in CLASSES:
            read = partial(images.source.read, path)
            found.setdefault(CLASSES.index(classes[label]) + 1, []).append(open_rgb(read))
    return dict(sorted(found.items()))


def _composed(name: str, drawings: Drawings, count: int, seed: int) -> MaskedSet:
    def work(index: int) -> tuple[Pixels, Pixels]:
        return compose(drawings, np.random.default_rng([seed, crc32(name.encode()), index]))

    pairs = thread_map(work, count, None)
    images, masks = (np.stack([pair[i] for pair in pairs]) for i in (0, 1))
    return MaskedSet(name, Arrays(images, masks, f"scenes/{name}"), tuple(range(count)))


def compose(drawings: Drawings, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """One scene of `drawings`: its pixels, uint8 [128, 128, 3], and its mask, uint8 [128, 128]."""
    image = ground(SIZE, rng)
    owner = np.zeros((SIZE, SIZE), np.uint8)  # the number of the thing on top, 0 for the ground
    classes = [0]  # by number
    areas: list[int] = []
    for number in range(1, int(rng.integers(THINGS[0], THINGS[1] + 1)) + 1):
        index = list(drawings)[int(rng.integers(len(drawings)))]
        levels, body = cut_out(drawings[index][int(rng.integers(len(drawings[index])))], rng)
        window = _place(body, owner, areas, rng)
        image[window] = painted(image[window], levels, body, rng)
        owner[window][body] = number
        areas.append(int(body.sum()))
        classes.append(index)
    return image, np.array(classes, np.uint8)[owner]


def _place(body: Bools, owner: Pixels, areas: list[int], rng: np.random.Generator) -> tuple[slice, slice]:
    """Where a thing goes: the first of some places that leaves half of every earlier thing in sight, or the
    one that leaves most of the thing that suffers most."""
    best, most = (slice(0), slice(0)), -1.0
    for _ in range(_PLACES):
        y, x = (int(rng.integers(SIZE - side + 1)) for side in body.shape)
        window = slice(y, y + body.shape[0]), slice(x, x + body.shape[1])
        left = np.bincount(owner.ravel(), minlength=len(areas) + 1)
        left -= np.bincount(owner[window][body], minlength=len(areas) + 1)
        seen = min((left[i + 1] / area for i, area in enumerate(areas)), default=1.0)
        if seen > most:
            best, most = window, seen
        if seen >= _SEEN:
            break
    return best


def cut_out(drawing: Image.Image, rng: np.random.Generator) -> tuple[Floats, Bools]:
    """A drawing on white, turned and scaled: its levels, 0 to 1, [h, w, 3], and its body, bool [h, w]."""
    fine = drawing.resize((_FINE * drawing.width, _FINE * drawing.height), Image.Resampling.BICUBIC)
    fine = fine.rotate(rng.uniform(-TURN, TURN), Image.Resampling.BILINEAR, expand=True, fillcolor="white")
    fine = fine.crop(ImageChops.invert(fine).point(_OVER_INK).getbbox())
    scale = rng.integers(LONGEST[0], LONGEST[1] + 1) / max(fine.size)
    size = max(1, round(fine.width * scale)), max(1, round(fine.height * scale))
    levels = np.asarray(fine.resize(size, Image.Resampling.BICUBIC), np.float64) / 255
    dark = 1 - levels.min(axis=2)
    return levels, silhouette((dark > _INK) & (dark >= maximum_filter(dark, 3) / 2))


def silhouette(ink: Bools) -> Bools:
    """The ink, bool [h, w], and all that it encloses; gaps of two pixels in the line are bridged."""
    padded = np.pad(ink, 2)
    closed = binary_fill_holes(binary_closing(padded, _SQUARE))
    return np.asarray(closed | padded, bool)[2:-2, 2:-2]


def painted(below: Pixels, levels: Floats, body: Bools, rng: np.random.Generator) -> Pixels:
    """What lies below, uint8 [h, w, 3], with a thing on it: its black a dark tone, its white a light one.

    The body is opaque but for its rim, where white shows what lies below: filled things had a light seam.
    """
    light, ink = muted(rng, 0.25, (0.9, 1.0)), muted(rng, 0.6, (0.0, 0.3))
    rim = body & ~binary_erosion(body, _SQUARE)
    white = np.where(rim[..., None], below / 255, light)
    thing = np.rint(255 * (ink + (white - ink) * levels)).astype(np.uint8)
    return np.where(body[..., None], thing, below)
