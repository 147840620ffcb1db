"""STL-10 as binary files (Coates, Lee & Ng, AISTATS 2011)."""

from __future__ import annotations

from pathlib import Path

from anchorline.suites.benchmarks.arrays import named, plain, planes
from anchorline.suites.benchmarks.dataset import Dataset, Listing, folder_with, require
from anchorline.suites.benchmarks.downloading import from_torchvision
from anchorline.suites.images.sources import Arrays

_CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
_SIZE = 96


def _read(found: Path, split: str) -> Listing:
    data, labels = found / f"{split}_X.bin", found / f"{split}_y.bin"
    require("STL-10", found, [data.name, labels.name])
    # Its pixels go column by column, so that what `planes` takes for rows are columns.
    pixels = planes(plain(data, 3 * _SIZE * _SIZE), _SIZE, data).transpose(0, 2, 1, 3)
    numbers = plain(labels, 1).astype(int) - 1  # they count from 1
    source = Arrays(pixels, str(data))
    return Listing(source, source.paths(), named(numbers, _CLASSES, len(pixels), labels))


STL10 = Dataset(
    name="STL-10",
    about="photos of 96 x 96 pixels, nine of its ten classes are CIFAR-10's",
    source="https://cs.stanford.edu/~acoates/stl10/",
    licence="not stated; the images are from ImageNet, whose terms allow non-commercial research",
    layout="stl10_binary (test_X.bin, test_y.bin)",
    images={"test": 8000},
    find=folder_with(("test_X.bin", "train_X.bin"), below=("stl10_binary", "stl10/stl10_binary", "stl10")),
    read=_read,
    archives=("stl10_binary.tar.gz",),
    # As torchvision has them.
    md5={
        "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
        "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
    },
    download=from_torchvision("STL10"),
)
