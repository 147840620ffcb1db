"""The table of benchmarks: which public data sets make up each."""

from __future__ import annotations

from dataclasses import replace

from anchorline.engine.plugins import Table
from anchorline.suites.benchmarks.benchmark import Benchmark, Split
from anchorline.suites.benchmarks.datasets import domainnet
from anchorline.suites.benchmarks.datasets.cifar import CIFAR10, CIFAR10_CLASSES, CIFAR100
from anchorline.suites.benchmarks.datasets.cifar_shifts import (
    CIFAR10C,
    CIFAR10C_SPLITS,
    CIFAR101_V4,
    CIFAR101_V6,
    CIFAR102,
)
from anchorline.suites.benchmarks.datasets.imagenet_classes import NAME_OF, NAME_OF_R
from anchorline.suites.benchmarks.datasets.imagenet_ood import (
    INATURALIST,
    NINCO,
    OPENIMAGE_O,
    PLACES,
    SSB_HARD,
    SUN,
)
from anchorline.suites.benchmarks.datasets.imagenet_r import IMAGENET_R
from anchorline.suites.benchmarks.datasets.imagenet_shifts import (
    IMAGENET,
    IMAGENET_A,
    IMAGENET_C,
    IMAGENET_V2,
    SKETCH,
)
from anchorline.suites.benchmarks.datasets.objectnet import OBJECTNET
from anchorline.suites.benchmarks.datasets.outliers import DTD, ISUN, LSUN_RESIZED, PLACES365, SVHN
from anchorline.suites.benchmarks.datasets.stl10 import STL10

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

_CIFAR10_V4 = replace(
    _CIFAR10,
    name="cifar10-v4",
    about="cifar10 with CIFAR-10.1 v4, of which nine in ten images are in v6, in the place of v6",
    shifts={"cifar10.1-v4": Split(CIFAR101_V4)}
    | {name: split for name, split in _CIFAR10.shifts.items() if name != "cifar10.1-v6"},
)

_CIFAR10_C = replace(
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

# A fifth, as elsewhere, would be 256,000 images that nothing learns from; 26 a class choose well enough.
_IMAGENET_VAL = 0.02

_IMAGENET = Benchmark(
    name="imagenet",
    about="ImageNet-1k -> V2, R, A, Sketch, ObjectNet; far outliers, and the near SSB-hard and NINCO",
    paper="Wortsman et al. 2022 (arXiv 2109.01903); Geng & Chen, SaTML 2024 (arXiv 2403.10800)",
    classes=tuple(NAME_OF.values()),
    train=Split(IMAGENET, "train"),
    test=Split(IMAGENET, "val"),
    shifts={
        "imagenet-v2": Split(IMAGENET_V2),
        "imagenet-r": Split(IMAGENET_R, "all"),
        "imagenet-a": Split(IMAGENET_A),
        "imagenet-sketch": Split(SKETCH),
        "objectnet": Split(OBJECTNET),
    },
    outliers={
        "inaturalist": Split(INATURALIST),
        "sun": Split(SUN),
        "places": Split(PLACES),
        "dtd": Split(DTD, "all"),
        "ssb-hard": Split(SSB_HARD),
        "ninco": Split(NINCO),
        "openimage-o": Split(OPENIMAGE_O),
    },
    near=frozenset({"ssb-hard", "ninco"}),
    val_share=_IMAGENET_VAL,
    notes=("test is ImageNet's published val, whose test labels are secret; our val is split off its train",),
)

_IMAGENET_C = replace(
    _IMAGENET,
    name="imagenet-c",
    about="ImageNet-1k -> ImageNet-C whole: 15 corruptions at 5 severities, 50,000 images each",
    paper="Hendrycks & Dietterich, ICLR 2019, arXiv 1903.12261",
    shifts={f"imagenet-c/{name}": Split(part, name) for part in IMAGENET_C.values() for name in part.images},
    outliers={},
    near=frozenset(),
    notes=(
        *_IMAGENET.notes,
        "the mean over the shifts is the mean over all corruptions and severities of the published files",
    ),
)

_IMAGENET_R = Benchmark(
    name="imagenet-r",
    about="ImageNet-R alone: 200 classes, 24,000 images to learn, 6,000 for test; for continual learning",
    paper="Smith et al. 2023 (CODA-Prompt, arXiv 2211.13218); Tian et al. 2023 (FTP, arXiv 2310.19182)",
    classes=tuple(NAME_OF_R.values()),
    train=Split(IMAGENET_R, "train"),
    test=Split(IMAGENET_R, "test"),
)


_DOMAINNET = Benchmark(
    name="domainnet",
    about="DomainNet Real -> Sketch, Painting, Infograph, Clipart, Quickdraw",
    paper="Tian et al. 2023: TPGM (arXiv 2303.10720), FTP (arXiv 2310.19182)",
    classes=domainnet.CLASSES,
    train=Split(domainnet.DOMAINS["real"], "train"),
    test=Split(domainnet.DOMAINS["real"]),
    shifts={name: Split(domain) for name, domain in domainnet.DOMAINS.items() if name != "real"},
    val_share=0.1,
)

BENCHMARKS: Table[Benchmark] = Table(
    (one.name, one)
    for one in (
        _CIFAR10,
        _CIFAR10_V4,
        _CIFAR10_C,
        _IMAGENET,
        _IMAGENET_C,
        _IMAGENET_R,
        _DOMAINNET,
        *(
            replace(
                _DOMAINNET,
                name=f"domainnet-{percent}",
                about=f"domainnet with {percent} % of Real's train",
                train=Split(domainnet.DOMAINS["real"], f"train-{percent}"),
            )
            for percent in (50, 10)
        ),
    )
)
"""By name."""
