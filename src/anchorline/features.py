"""Features of image sets: each set passes through an encoder once, ever; what came out is kept on disk."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from anchorline.encoder import Encoder
from anchorline.suites.decode import MEMORY_LIMIT, BadImage, decode
from anchorline.suites.images import ImageSet, Progress
from anchorline.suites.suite import Suite

FORMAT = "1"  # raise it when the same key would no longer give the same features


def cache_directory() -> Path:
    """`$ANCHORLINE_CACHE`, else `anchorline` in the user's cache directory."""
    if own := os.environ.get("ANCHORLINE_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anchorline"


@dataclass(frozen=True, eq=False)
class Features:
    """What an encoder makes of one image set.

    Attributes:
        vectors: float32 [N, D], unit length, row for row the set's readable images.
        bad: the images that could not be read; they have no row.
        seconds: wall time that decoding and encoding took when it was done.
    """

    vectors: Tensor
    bad: tuple[BadImage, ...]
    seconds: float


class FeatureStore:
    """Features by encoder, images and preprocessing. The same three give the same file."""

    def __init__(self, directory: Path | None = None, memory_limit: int = MEMORY_LIMIT) -> None:
        self.directory = directory or cache_directory()
        self.memory_limit = memory_limit

    def images(self, encoder: Encoder, images: ImageSet, progress: Progress | None = None) -> Features:
        key = [encoder.hash, encoder.preprocessing, images.content_hash()]

        def compute() -> tuple[Tensor, tuple[BadImage, ...]]:
            total = len(images)
            pixels, bad = decode(
                images,
                encoder.geometry,
                memory_limit=self.memory_limit,
                progress=progress and (lambda done, _: progress(done, 2 * total)),
            )
            if not len(pixels):
                return encoder.encode_texts([""])[:0], bad
            encoded = encoder.encode_images(
                pixels, progress and (lambda done, _: progress(total + done, 2 * total))
            )
            return encoded, bad

        return self._keep("images", key, compute)

    def classes(self, encoder: Encoder, classes: Sequence[str], templates: Sequence[str]) -> Features:
        """Class vectors, float32 [C, D]; see `Encoder.encode_classes`."""
        key = [encoder.hash, json.dumps([list(classes), list(templates)])]
        return self._keep("classes", key, lambda: (encoder.encode_classes(classes, templates), ()))

    def _keep(
        self,
        kind: str,
        key: Sequence[str],
        compute: Callable[[], tuple[Tensor, tuple[BadImage, ...]]],
    ) -> Features:
        digest = hashlib.sha256("\0".join([FORMAT, kind, *key]).encode()).hexdigest()[:32]
        file = self.directory / kind / f"{digest}.safetensors"
        if file.is_file():
            return _read(file)
        begun = time.perf_counter()
        vectors, bad = compute()
        features = Features(vectors, bad, time.perf_counter() - begun)
        _write(file, features)
        return features


def _read(file: Path) -> Features:
    with safe_open(file, framework="pt") as stored:
        facts = stored.metadata()
        bad = tuple(BadImage(**image) for image in json.loads(facts["bad"]))
        return Features(stored.get_tensor("vectors"), bad, float(facts["seconds"]))


def _write(file: Path, features: Features) -> None:
    """Whole or not at all: a killed run leaves no half file under the final name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        "bad": json.dumps([asdict(b) for b in features.bad]),
        "seconds": f"{features.seconds:.3f}",
    }
    handle, unfinished = tempfile.mkstemp(dir=file.parent, suffix=".part")
    os.close(handle)
    try:
        save_file({"vectors": features.vectors.contiguous()}, unfinished, metadata=facts)
        Path(unfinished).replace(file)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def suite_features(
    store: FeatureStore, encoder: Encoder, suite: Suite, progress: Callable[[str], Progress | None]
) -> tuple[Suite, dict[str, Features]]:
    """Features of every set of a suite, by set name, and the suite without its unreadable images.

    `progress(set name)` gives the function that is told how far the set is. Raises `UserError` for
    unreadable images if the suite says so.
    """
    found = {name: store.images(encoder, images, progress(name)) for name, images in suite.sets().items()}
    return suite.without_bad({name: f.bad for name, f in found.items()}), found
