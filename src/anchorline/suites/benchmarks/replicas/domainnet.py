"""A replica of DomainNet: all 345 classes, few images each; of the other domains only what is for test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from anchorline.suites.benchmarks.datasets.domainnet import DOMAINS, FOLDERS
from anchorline.suites.benchmarks.replicas.drawing import Picture, thing

_SIZE = 24  # pixels: there are thousands
_LOOK: dict[str, Callable[[Picture], Picture]] = {
    "real": lambda image: image,
    "sketch": lambda image: image.mean(2, keepdims=True).repeat(3, 2).astype(np.uint8),
    "painting": lambda image: image // 48 * 48,
    "infograph": lambda image: np.maximum(image, 96),
    "clipart": lambda image: (image > 127).astype(np.uint8) * 255,
    "quickdraw": lambda image: ((image.max(2) - image.min(2)) < 64)[..., None].repeat(3, 2) * np.uint8(255),
}


def write(root: Path, seed: int = 0) -> None:
    """Six train images a class of Real, and one test image a class of each domain, with the lists."""
    rng = np.random.default_rng(seed)
    top = root / "domainnet"
    for domain in DOMAINS:
        lists: dict[str, list[str]] = {}
        for label, folder in enumerate(FOLDERS):
            (top / domain / folder).mkdir(parents=True)
            splits = ["train"] * 6 + ["test"] if domain == "real" else ["test"]
            for number, split in enumerate(splits, start=1):
                path = f"{domain}/{folder}/{domain}_{label + 1:03}_{number:06}.jpg"
                image = _LOOK[domain](thing(rng, label, len(FOLDERS), _SIZE))
                Image.fromarray(image).save(top / path)
                lists.setdefault(split, []).append(f"{path} {label}\n")
        for split, lines in lists.items():
            (top / f"{domain}_{split}.txt").write_text("".join(lines), encoding="utf-8")
