"""The fifteen corruptions of ImageNet-C at five severities, for any suite.

Hendrycks & Dietterich, ICLR 2019, arXiv 1903.12261; the code is that of `imagecorruptions-imaug`.
As ImageNet-C does with its 224-pixel crops, we corrupt what the encoder sees: decoded pixels at its
geometry. Radii and grain are in pixels as the paper sets them, so that one severity is harsher for an
encoder of 64 pixels than for one of 224: compare methods, not encoders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np

from anchorline.engine.parallel import Progress
from anchorline.errors import UserError, nearest
from anchorline.suites.images.rgb import Pixels

GROUPS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
CORRUPTIONS = tuple(chain.from_iterable(GROUPS.values()))
SEVERITIES = (1, 2, 3, 4, 5)

SMALLEST = 32  # pixels, the least height and width that the library takes
_SEEDED = ("impulse_noise", "glass_blur")  # have a generator of their own; the others draw from numpy's
_BATCH = 64  # images handed to a process at a time
_ALONE = 4 * 2**20  # bytes of pixels that are corrupted sooner than other processes start


def check(name: str, severity: int) -> None:
    """Raises `UserError` for an unknown corruption or severity."""
    if name not in CORRUPTIONS:
        known = (*CORRUPTIONS, *GROUPS, "all")
        raise UserError(f"there is no corruption {name!r} ({nearest(name, known)})")
    if severity not in SEVERITIES:
        raise UserError(f"the severity {severity} of {name} does not exist; give one from 1 to 5")


def parse_corruptions(texts: Iterable[str], severities: Sequence[int] = SEVERITIES) -> list[tuple[str, int]]:
    """What a user writes as (name, severity) pairs: in the paper's order, each once.

    A text is the name of a corruption or of a group, or "all"; then "/3" if one severity is meant, else all
    `severities` are. Raises `UserError` for what is unknown.
    """
    found: set[tuple[str, int]] = set()
    for text in texts:
        what, slash, number = text.strip().partition("/")
        if slash and not number.isdecimal():
            raise UserError(f"{text!r} is no corruption; write NAME or NAME/SEVERITY, such as fog/3")
        for name in CORRUPTIONS if what == "all" else GROUPS.get(what, (what,)):
            for severity in [int(number)] if slash else severities:
                check(name, severity)
                found.add((name, severity))
    return sorted(found, key=lambda pair: (CORRUPTIONS.index(pair[0]), pair[1]))


def corrupt(
    pixels: Pixels,
    name: str,
    severity: int,
    *,
    out: Pixels | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Pixels:
    """Corrupt decoded images, uint8 [N, H, W, 3], into `out` or a new array of the same shape.

    The seed of an image is a hash of its pixels, the corruption and the severity: neither its place in the
    array nor the number of processes changes a bit. numpy's global random state is as before when this
    returns. Raises `UserError` where the images are too small or the library is not installed.
    """
    height, width = pixels.shape[1:3]
    if min(height, width) < SMALLEST:
        raise UserError(
            f"corruptions need images of {SMALLEST} x {SMALLEST} pixels or more, and the encoder takes "
            f"{height} x {width}; choose another encoder or leave them out"
        )
    _library()
    out = np.empty_like(pixels, subok=False) if out is None else out
    if processes is None:
        processes = 1 if pixels.nbytes < _ALONE else joblib.cpu_count()
    # Copies: a process is sent the pixels themselves, not the name of a file that may have none any more.
    batches = (np.array(pixels[start : start + _BATCH]) for start in range(0, len(pixels), _BATCH))
    done = 0
    for batch in _in_processes(batches, name, severity, processes):
        out[done : done + len(batch)] = batch
        done += len(batch)
        if progress:
            progress(done, len(pixels))
    return out


def _in_processes(batches: Iterable[Pixels], name: str, severity: int, processes: int) -> Iterator[Pixels]:
    """Processes, not threads: most corruptions draw from the one random state that a process has."""
    if processes == 1:
        yield from (_corrupt_batch(batch, name, severity) for batch in batches)
        return
    parallel = joblib.Parallel(n_jobs=processes, return_as="generator", max_nbytes=None)
    yield from parallel(joblib.delayed(_corrupt_batch)(batch, name, severity) for batch in batches)


def _corrupt_batch(batch: Pixels, name: str, severity: int) -> Pixels:
    library = _library()
    before = np.random.get_state()
    try:
        return np.stack([_corrupt_image(library, image, name, severity) for image in batch])
    finally:
        np.random.set_state(before)


def _corrupt_image(library: Any, image: Pixels, name: str, severity: int) -> Pixels:
    seed = seed_of(image, name, severity)
    np.random.seed(seed)
    own = {"seed": seed} if name in _SEEDED else {}
    corrupted: Pixels = library.corrupt(image, severity, name, **own)
    return corrupted


def seed_of(image: Pixels, name: str, severity: int) -> int:
    """The seed of one image, uint8 [H, W, 3], under one corruption: 32 bits."""
    digest = blake2b(image.tobytes() + f"{name}/{severity}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


def _library() -> Any:
    try:
        import imagecorruptions  # type: ignore[import-untyped]
    except ImportError as error:  # it, or something that it needs, such as OpenCV's libGL
        raise UserError(
            f"corruptions need imagecorruptions-imaug, which cannot be imported ({error}); "
            "pip install 'anchorline[eval]'"
        ) from error
    return imagecorruptions
