"""The benchmark around CIFAR-10 of the Reprogrammer paper, with the sets that others measure beside it."""

from __future__ import annotations

from dataclasses import replace

from anchorline.suites.disk.benchmark import Benchmark, Split
from anchorline.suites.disk.cifar import CIFAR10, CIFAR10_CLASSES, CIFAR100
from anchorline.suites.disk.cifar_shifts import CIFAR10C, CIFAR10C_SPLITS, CIFAR101_V4, CIFAR101_V6, CIFAR102
from anchorline.suites.disk.outliers import DTD, ISUN, LSUN_RESIZED, PLACES365, SVHN
from anchorline.suites.disk.stl10 import STL10

# Of the nine shared classes one has another name; monkeys are no class of CIFAR-10, and frogs none of STL-10.
_STL10 = Split(STL10, "test", {"car": "automobile", "monkey": None})

_CIFAR10 = Benchmark(
    name="cifar10",
    about="CIFAR-10 -> CIFAR-10.1, CIFAR-10.2, STL-10, CIFAR-10-C; far outliers, and CIFAR-100",
    paper="Geng & Chen, SaTML 2024, arXiv 2403.10800",
    classes=CIFAR10_CLASSES,
    train=Split(CIFAR10, "train"),
    test=Split(CIFAR10, "test"),
    shifts={
        "cifar10.1-v6": Split(CIFAR101_V6),
        "cifar10.2": Split(CIFAR102),
        "stl10": _STL10,
        "cifar10-c": Split(CIFAR10C, "even"),
    },
    outliers={
        "svhn": Split(SVHN),
        "lsun-resized": Split(LSUN_RESIZED),
        "isun": Split(ISUN),
        "dtd": Split(DTD, "all"),
        "places365": Split(PLACES365),
        "cifar100": Split(CIFAR100),
    },
    near=frozenset({"cifar100"}),
)

_WITH_V4 = replace(
    _CIFAR10,
    name="cifar10-v4",
    about="cifar10 with CIFAR-10.1 v4, of which nine in ten images are in v6, in the place of v6",
    shifts={"cifar10.1-v4": Split(CIFAR101_V4)}
    | {name: split for name, split in _CIFAR10.shifts.items() if name != "cifar10.1-v6"},
)

_CORRUPTED = replace(
    _CIFAR10,
    name="cifar10-c",
    about="CIFAR-10 -> CIFAR-10-C whole: 15 corruptions at 5 severities, 10,000 images each",
    paper="Hendrycks & Dietterich, ICLR 2019, arXiv 1903.12261",
    shifts={f"cifar10-c/{name}": Split(CIFAR10C, name) for name in CIFAR10C_SPLITS},
    outliers={},
    near=frozenset(),
    notes=(
        "the mean over the shifts is the mean over all corruptions and severities; decoded for an encoder of "
        "224 pixels, their 750,000 images take 105 GiB of disk",
    ),
)

CIFAR10_BENCHMARKS = (_CIFAR10, _WITH_V4, _CORRUPTED)
