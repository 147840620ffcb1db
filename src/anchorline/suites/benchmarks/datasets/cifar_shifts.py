"""CIFAR-10.1, CIFAR-10.2 and CIFAR-10-C: CIFAR-10's classes, photographed or corrupted anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anchorline.errors import UserError
from anchorline.suites.benchmarks.arrays import checked, named, npy, npz
from anchorline.suites.benchmarks.dataset import Dataset, Listing, folder_with, require
from anchorline.suites.benchmarks.datasets.cifar import CIFAR10_CLASSES
from anchorline.suites.benchmarks.downloading import from_urls
from anchorline.suites.images.corruptions import CORRUPTIONS, SEVERITIES
from anchorline.suites.images.sources import Arrays, Joined, Source

_SIZE = 32
_TEST = 10_000  # CIFAR-10's test images, of each of which CIFAR-10-C has 75
# Rows of each of the 75 in the even share. The accuracy on these 15,000 is that on all 750,000 but for a
# standard error below half a point, and costs as much as one test set more.
_EVEN = 200


def _cifar101(version: str, images: int) -> Dataset:
    data, labels = (f"cifar10.1_{version}_{what}.npy" for what in ("data", "labels"))
    folder, url = "cifar10.1", "https://github.com/modestyachts/CIFAR-10.1"

    def read(found: Path, split: str) -> Listing:
        require(f"CIFAR-10.1 {version}", found, [data, labels])
        source = Arrays(checked(npy(found / data), _SIZE, found / data), str(found / data))
        numbers = npy(found / labels)
        return Listing(
            source, source.paths(), named(numbers, CIFAR10_CLASSES, len(source.pixels), found / labels)
        )

    return Dataset(
        name=f"CIFAR-10.1 {version}",
        about="a new test set for CIFAR-10, collected as that was (Recht et al. 2018, arXiv 1806.00451)",
        source=url,
        licence="MIT",
        layout=f"{folder} ({data}, {labels})",
        images={"test": images},
        find=folder_with((data, labels), below=(folder, "CIFAR-10.1/datasets", "CIFAR-10.1", "datasets")),
        read=read,
        download=from_urls(folder, {f"{url}/raw/master/datasets/{file}": None for file in (data, labels)}),
    )


def _cifar102(found: Path, split: str) -> Listing:
    file = found / f"cifar102_{split}.npz"
    require("CIFAR-10.2", found, [file.name])
    images, labels = npz(file, "images", "labels")
    source = Arrays(checked(images, _SIZE, file), str(file))
    return Listing(source, source.paths(), named(labels, CIFAR10_CLASSES, len(images), file))


def _cifar10c(found: Path, split: str) -> Listing:
    """ "fog/3": all of it; "even": the same share of each corruption at each severity."""
    if split != "even":
        return _block(found, *split.split("/"))
    sources: list[Source] = []
    paths: list[str] = []
    names: list[str] = []
    for number, name in enumerate(CIFAR10C_SPLITS):
        block = _block(found, *name.split("/"))
        step = max(1, len(block.paths) // _EVEN)
        chosen = slice(number % step, None, step)  # other images in each, so that they are more in all
        paths += [f"{number}/{path}" for path in block.paths[chosen]]
        names += block.names[chosen] if block.names else ()
        sources.append(block.source)
    note = (
        f"{len(paths):,} of its images, as many of each of {len(CORRUPTIONS)} corruptions at each of "
        f"{len(SEVERITIES)} severities; the suite cifar10-c has all"
    )
    return Listing(Joined(tuple(sources)), tuple(paths), tuple(names), notes=(note,))


def _block(found: Path, corruption: str, severity: str) -> Listing:
    file, label_file = found / f"{corruption}.npy", found / "labels.npy"
    require("CIFAR-10-C", found, [file.name, label_file.name])
    images, labels = checked(npy(file), _SIZE, file), npy(label_file)
    if len(images) != len(labels) or len(images) % len(SEVERITIES):
        raise UserError(
            f"{file} has {len(images):,} images for {len(labels):,} labels, expected as many, of five "
            "severities; extract the whole archive again"
        )
    height = len(images) // len(SEVERITIES)
    rows = range((int(severity) - 1) * height, int(severity) * height)
    source = Arrays(images, str(file))
    numbers = np.asarray(labels[rows.start : rows.stop])
    return Listing(source, source.paths(rows), named(numbers, CIFAR10_CLASSES, height, label_file))


CIFAR101_V6, CIFAR101_V4 = _cifar101("v6", 2000), _cifar101("v4", 2021)

CIFAR102 = Dataset(
    name="CIFAR-10.2",
    about="another new test set for CIFAR-10 (Lu et al. 2020, Harder or Different?)",
    source="https://github.com/modestyachts/cifar-10.2",
    licence="not stated",
    layout="cifar10.2 (cifar102_test.npz)",
    images={"test": 2000},
    find=folder_with(("cifar102_test.npz",), below=("cifar10.2", "cifar-10.2", "CIFAR-10.2")),
    read=_cifar102,
)

CIFAR10C_SPLITS = tuple(f"{name}/{severity}" for name in CORRUPTIONS for severity in SEVERITIES)

CIFAR10C = Dataset(
    name="CIFAR-10-C",
    about="CIFAR-10's test images under 15 corruptions at 5 severities (Hendrycks & Dietterich, ICLR 2019)",
    source="https://zenodo.org/records/2535967",
    licence="CC BY 4.0",
    layout="CIFAR-10-C (labels.npy, fog.npy and the other corruptions, 50,000 rows each)",
    images={"even": _EVEN * len(CIFAR10C_SPLITS), **dict.fromkeys(CIFAR10C_SPLITS, _TEST)},
    find=folder_with(
        [f"{name}.npy" for name in CORRUPTIONS], below=("CIFAR-10-C", "cifar-10-c", "cifar10-c")
    ),
    read=_cifar10c,
    archives=("CIFAR-10-C.tar",),
    download=from_urls(
        "",
        {"https://zenodo.org/records/2535967/files/CIFAR-10-C.tar": "56bf5dcef84df0e2308c6dcbcbbd8499"},
    ),
)
