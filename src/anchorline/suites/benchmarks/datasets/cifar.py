"""CIFAR-10 and CIFAR-100, as Python's pickles or as binary files (Krizhevsky 2009)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anchorline.errors import UserError
from anchorline.suites.benchmarks.arrays import Images, named, pickled, plain, planes
from anchorline.suites.benchmarks.dataset import Dataset, Listing, folder_with, require, text_of
from anchorline.suites.benchmarks.downloading import from_torchvision
from anchorline.suites.images.sources import Arrays

CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_SIZE = 32
_PIXELS = 3 * _SIZE * _SIZE
_BATCHES = {"train": tuple(f"data_batch_{n}" for n in range(1, 6)), "test": ("test_batch",)}


def _cifar10(folder: Path, split: str) -> Listing:
    binary = not any((folder / name).exists() for names in _BATCHES.values() for name in names)
    files = [folder / (name + ".bin" if binary else name) for name in _BATCHES[split]]
    require("CIFAR-10", folder, [file.name for file in files])
    pixels: list[Images] = []
    labels: list[str] = []
    for file in files:
        batch, numbers = _binary(file, 1) if binary else _pickled(file, "labels")
        pixels.append(planes(batch, _SIZE, file))
        labels += named(numbers, CIFAR10_CLASSES, len(batch), file)
    source = Arrays(np.concatenate(pixels), str(folder))
    return Listing(source, source.paths(), tuple(labels))


def _cifar100(folder: Path, split: str) -> Listing:
    binary = not (folder / "meta").exists()
    file = folder / (split + ".bin" if binary else split)
    meta = folder / ("fine_label_names.txt" if binary else "meta")
    require("CIFAR-100", folder, [file.name, meta.name])
    if binary:
        classes = text_of("CIFAR-100", meta).split()
        batch, numbers = _binary(file, 2)  # coarse label, fine label, pixels
    else:
        classes = pickled(meta).get("fine_label_names", [])
        batch, numbers = _pickled(file, "fine_labels")
    source = Arrays(planes(batch, _SIZE, file), str(file))
    return Listing(source, source.paths(), named(numbers, classes, len(batch), file))


def _binary(file: Path, labels: int) -> tuple[Images, Images]:
    rows = plain(file, labels + _PIXELS)
    return rows[:, labels:], rows[:, labels - 1]


def _pickled(file: Path, key: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    content = pickled(file)
    if "data" not in content or key not in content:
        raise UserError(f"{file} does not hold 'data' and {key!r}; it is another file, get it anew")
    return np.asarray(content["data"]), np.asarray(content[key])


CIFAR10 = Dataset(
    name="CIFAR-10",
    about="60,000 photos of 32 x 32 pixels in ten classes",
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
    licence="not stated; its authors ask to be cited",
    layout="cifar-10-batches-py (data_batch_1 … 5, test_batch), or cifar-10-batches-bin (the same with .bin)",
    images={"train": 50_000, "test": 10_000},
    find=folder_with(
        [name + end for names in _BATCHES.values() for name in names for end in ("", ".bin")],
        below=("cifar-10-batches-py", "cifar-10-batches-bin", "cifar10/cifar-10-batches-py", "cifar10"),
    ),
    read=_cifar10,
    archives=("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"),
    # As torchvision has them.
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    download=from_torchvision("CIFAR10"),
)

CIFAR100 = Dataset(
    name="CIFAR-100",
    about="60,000 photos of 32 x 32 pixels in a hundred classes, none of CIFAR-10's",
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
    licence="not stated; its authors ask to be cited",
    layout="cifar-100-python (train, test, meta), or cifar-100-binary (test.bin, fine_label_names.txt …)",
    images={"test": 10_000},
    find=folder_with(
        ("meta", "fine_label_names.txt"),
        below=("cifar-100-python", "cifar-100-binary", "cifar100/cifar-100-python", "cifar100"),
    ),
    read=_cifar100,
    archives=("cifar-100-python.tar.gz", "cifar-100-binary.tar.gz"),
    md5={"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    download=from_torchvision("CIFAR100"),
)
