"""`predict`: what an adapted classifier says of any images, a few at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from torch import Tensor

from anchorline.engine.parallel import thread_map
from anchorline.engine.paths import expanded
from anchorline.errors import UserError
from anchorline.metrics import scores
from anchorline.suites.images.decode import Geometry, decode_image
from anchorline.suites.images.files import find_images
from anchorline.suites.images.rgb import Pixels, UnreadableError

UNKNOWN = "unknown"
_AT_ONCE = 64  # images in memory


class Predictor(Protocol):
    """What prediction needs of a classifier; see `anchorline.classifier.adapted.AdaptedClassifier`."""

    @property
    def geometry(self) -> Geometry: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def threshold(self) -> float: ...

    def logits_of(self, pixels: Pixels) -> Tensor: ...


@dataclass(frozen=True)
class Prediction:
    """What is said of one image.

    Attributes:
        path: of the file, as given or found.
        label: the class, or "unknown" where `probability` is below the classifier's threshold, which keeps
            95 % of the validation images.
        nearest: the most probable class, known or not.
        probability: its softmax probability.
        ood_score: 1 - the maximum softmax probability: the higher, the less the image looks like any class.
    """

    path: str
    label: str
    nearest: str
    probability: float
    ood_score: float


def predict(
    classifier: Predictor,
    images: Iterable[str | Path],
    bad_images: Literal["error", "skip"] = "error",
    skipped: list[str] | None = None,
) -> Iterator[Prediction]:
    """Predictions in the order of the files, read as they are asked for, so that memory stays the same.

    Raises `UserError` for a file that cannot be read, after the predictions of those before it, or leaves it
    out and appends the reason to `skipped`.
    """
    remaining = iter(images)
    while block := [str(path) for path in islice(remaining, _AT_ONCE)]:
        decoded = thread_map(lambda i, paths=block: _decoded(classifier, paths[i]), len(block), None)  # type: ignore[misc]
        readable: list[tuple[str, Pixels]] = []
        broken = ""
        for path, found in zip(block, decoded, strict=True):
            if not isinstance(found, str):
                readable.append((path, found))
            elif bad_images == "error":
                broken = found
                break
            elif skipped is not None:
                skipped.append(found)
        if readable:
            yield from _predictions(classifier, readable)
        if broken:
            raise UserError(f"{broken}; mend it, or leave it out with --bad-images skip")


def _decoded(classifier: Predictor, path: str) -> Pixels | str:
    """The pixels of a file, or why there are none."""
    try:
        return decode_image(Path(path).read_bytes(), classifier.geometry)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    except UnreadableError as error:
        return f"{path} {error}"


def _predictions(classifier: Predictor, images: list[tuple[str, Pixels]]) -> Iterator[Prediction]:
    logits = classifier.logits_of(np.stack([pixels for _, pixels in images]))
    confidence, best = scores.msp(logits), logits.argmax(1)
    for (path, _), sure, index in zip(images, confidence.tolist(), best.tolist(), strict=True):
        nearest = classifier.classes[index]
        label = nearest if sure >= classifier.threshold else UNKNOWN
        yield Prediction(path, label, nearest, sure, 1 - sure)


def found_images(given: Iterable[str]) -> Iterator[str]:
    """Image files behind names of files, folders (searched through) and patterns. Raises `UserError`."""
    for name in given:
        path = expanded(name)
        if path.is_dir():
            inside = find_images(path)
            if not inside:
                raise UserError(f"the folder {path} holds no images; give another")
            yield from (str(path / one) for one in inside)
        elif path.exists() or not any(sign in name for sign in "*?["):
            yield str(path)
        else:
            root = Path(path.anchor)  # a pattern is matched from its root, or from here
            matching = sorted(root.glob(str(path.relative_to(root)) if path.anchor else str(path)))
            if not matching:
                raise UserError(f"nothing matches {name}; check the pattern")
            yield from found_images(map(str, matching))
