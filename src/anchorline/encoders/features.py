"""Features of image sets: each set passes through an encoder once, ever; what came out is kept on disk."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from anchorline.encoders.captions import captions_of
from anchorline.encoders.encoder import Encoder
from anchorline.encoders.feature_files import Features, cache_directory, read_features, write_features
from anchorline.engine.distributed import main_process_first
from anchorline.engine.parallel import Progress
from anchorline.suites.images.decode import MEMORY_LIMIT, BadImage, Geometry
from anchorline.suites.images.image_set import ImageSet
from anchorline.suites.images.pixels import PixelStore
from anchorline.suites.images.rgb import Pixels
from anchorline.suites.leakage import Fingerprints, fingerprints
from anchorline.suites.suite import Suite

FORMAT = "2"  # raise it when the same key would no longer give the same features


class ImageEncoder(Protocol):
    """What turns pixels into features: a pre-trained encoder, or the image side of an adapted one."""

    @property
    def hash(self) -> str: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def geometry(self) -> Geometry: ...

    @property
    def preprocessing(self) -> str: ...

    def encode_images(self, pixels: Pixels, progress: Progress | None = None) -> Tensor: ...


class FeatureStore:
    """Features by encoder, images and preprocessing. The same three give the same file.

    Decoded images are kept in memory as long as the store lives, up to `memory_limit` bytes in all, since
    every adapted encoder asks for them again; see `PixelStore`.
    """

    def __init__(
        self,
        directory: Path | None = None,
        memory_limit: int = MEMORY_LIMIT,
        *,
        pixels: PixelStore | None = None,
        fallbacks: tuple[Path, ...] = (),
    ) -> None:
        self.directory = directory or cache_directory()
        self.pixels = pixels or PixelStore(self.directory / "corrupted", memory_limit)
        self.fallbacks = fallbacks  # other directories to look into

    def elsewhere(self, directory: Path) -> FeatureStore:
        """A store that keeps new features in another directory, but knows all that this one knows."""
        return FeatureStore(directory, pixels=self.pixels, fallbacks=(self.directory, *self.fallbacks))

    def images(self, encoder: ImageEncoder, images: ImageSet, progress: Progress | None = None) -> Features:
        def compute() -> tuple[Tensor, tuple[BadImage, ...]]:
            total = len(images)
            # Decoding is the first half of the work on each image, encoding the second.
            pixels, bad = self.pixels(
                encoder.geometry, images, progress and (lambda done, _: progress(done // 2, total))
            )
            if not len(pixels):  # no rows, but of the right width
                return encoder.encode_images(np.zeros((1, *encoder.geometry.size, 3), np.uint8))[:0], bad
            return encoder.encode_images(
                pixels, progress and (lambda done, of: progress(total - (of - done) // 2, total))
            ), bad

        found = self._keep(self._images_file(encoder, images), compute)
        # The same images may have been encoded where they lay before.
        return replace(found, bad=tuple(replace(b, where=images.where(b.index)) for b in found.bad))

    def fingerprints(self, geometry: Geometry, images: ImageSet) -> Fingerprints:
        """`leakage.fingerprints` of the readable images of a set, kept like features."""

        def compute() -> tuple[Tensor, tuple[BadImage, ...]]:
            pixels, bad = self.pixels(geometry, images)
            return torch.from_numpy(fingerprints(pixels)), bad

        file = self._file("fingerprints", [str(geometry), images.content_hash()])
        return np.asarray(self._keep(file, compute).vectors)

    def made_of(
        self, encoder: ImageEncoder, images: ImageSet, what: str, make: Callable[[], Pixels]
    ) -> Tensor:
        """Features [M, D] of pixels that `make` makes of a set; `what` says what, and with which settings."""
        key = [encoder.hash, str(encoder.device.type), encoder.preprocessing, images.content_hash(), what]
        file = self._file("made", key)
        return self._keep(file, lambda: (encoder.encode_images(make()), ())).vectors

    def local(
        self, encoder: ImageEncoder, images: ImageSet, captions: Tensor, compute: Callable[[Pixels], Tensor]
    ) -> Tensor:
        """Scores [N] of the patches of a set against captions [C, D], computed from its pixels and kept."""
        digest = hashlib.sha256(captions.numpy().tobytes() + str(images.columns).encode()).hexdigest()
        key = [encoder.hash, str(encoder.device.type), encoder.preprocessing, images.content_hash(), digest]

        def scores() -> tuple[Tensor, tuple[BadImage, ...]]:
            pixels, bad = self.pixels(encoder.geometry, images)
            return compute(pixels)[:, None], bad

        return self._keep(self._file("local", key), scores).vectors[:, 0]

    def part(self, encoder: Encoder, whole: ImageSet, images: ImageSet, found: Features) -> None:
        """Keep what is known of `images` because they were encoded as the readable part of a whole set."""
        write_features(self._images_file(encoder, images), replace(found, bad=()))
        self.pixels.rename(encoder.geometry, whole, images)

    def classes(self, encoder: Encoder, classes: Sequence[str], templates: Sequence[str]) -> Features:
        """Class vectors, float32 [C, D]; see `Encoder.encode_classes`."""
        # The encoder's hash covers its tokenizer; to tokenize ten thousand words takes a second.
        key = [encoder.hash, str(encoder.device.type), str(len(templates)), *captions_of(classes, templates)]
        file = self._file("classes", key)
        return self._keep(file, lambda: (encoder.encode_classes(classes, templates), ()))

    def _images_file(self, encoder: ImageEncoder, images: ImageSet) -> Path:
        # A GPU rounds otherwise than a CPU.
        key = [encoder.hash, str(encoder.device.type), encoder.preprocessing, images.content_hash()]
        return self._file("images", key)

    def _file(self, kind: str, key: Sequence[str]) -> Path:
        digest = hashlib.sha256("\0".join([FORMAT, kind, *key]).encode()).hexdigest()[:32]
        return self.directory / kind / f"{digest}.safetensors"

    def _keep(self, file: Path, compute: Callable[[], tuple[Tensor, tuple[BadImage, ...]]]) -> Features:
        with main_process_first():
            for directory in (self.directory, *self.fallbacks):
                if kept := read_features(directory / file.relative_to(self.directory)):
                    return kept
            begun = time.perf_counter()
            vectors, bad = compute()
            features = Features(vectors, bad, time.perf_counter() - begun)
            write_features(file, features)
            return features


def suite_features(
    store: FeatureStore,
    encoder: Encoder,
    suite: Suite,
    progress: Callable[[str], Progress | None],
    leave_out: Collection[str] = (),
) -> tuple[Suite, dict[str, Features]]:
    """Features of every set of a suite, by set name, and the suite without its unreadable images.

    `progress(set name)` gives the function that is told how far the set is; `leave_out` names sets that
    nobody will ask for. Raises `UserError` for unreadable images if the suite says so.
    """
    found = {
        name: store.images(encoder, images, progress(name))
        for name, images in suite.sets().items()
        if name not in leave_out
    }
    cleaned = suite.without_bad({name: f.bad for name, f in found.items()})
    for name, images in cleaned.sets().items():
        if name in found and found[name].bad:  # `adapt` will ask for the cleaned train and val
            store.part(encoder, suite.sets()[name], images, found[name])
    return cleaned, found
