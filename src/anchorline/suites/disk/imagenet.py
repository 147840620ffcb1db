"""ImageNet and what is measured around it; ImageNet-R as a benchmark of its own."""

from __future__ import annotations

from dataclasses import replace

from anchorline.suites.disk.benchmark import Benchmark, Split
from anchorline.suites.disk.imagenet_classes import NAME_OF, NAME_OF_R
from anchorline.suites.disk.imagenet_ood import INATURALIST, NINCO, OPENIMAGE_O, PLACES, SSB_HARD, SUN
from anchorline.suites.disk.imagenet_r import IMAGENET_R
from anchorline.suites.disk.imagenet_shifts import IMAGENET, IMAGENET_A, IMAGENET_C, IMAGENET_V2, SKETCH
from anchorline.suites.disk.objectnet import OBJECTNET
from anchorline.suites.disk.outliers import DTD

# A fifth, as elsewhere, would be 256,000 images that nothing learns from; 26 a class choose well enough.
VAL_SHARE = 0.02

IMAGENET_BENCHMARK = Benchmark(
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
    val_share=VAL_SHARE,
    notes=("test is ImageNet's published val, whose test labels are secret; our val is split off its train",),
)

IMAGENET_C_BENCHMARK = replace(
    IMAGENET_BENCHMARK,
    name="imagenet-c",
    about="ImageNet-1k -> ImageNet-C whole: 15 corruptions at 5 severities, 50,000 images each",
    paper="Hendrycks & Dietterich, ICLR 2019, arXiv 1903.12261",
    shifts={f"imagenet-c/{name}": Split(part, name) for part in IMAGENET_C.values() for name in part.images},
    outliers={},
    near=frozenset(),
    notes=(
        *IMAGENET_BENCHMARK.notes,
        "the mean over the shifts is the mean over all corruptions and severities of the published files",
    ),
)

IMAGENET_R_BENCHMARK = Benchmark(
    name="imagenet-r",
    about="ImageNet-R alone: 200 classes, 24,000 images to learn, 6,000 for test; for continual learning",
    paper="Smith et al. 2023 (CODA-Prompt, arXiv 2211.13218); Tian et al. 2023 (FTP, arXiv 2310.19182)",
    classes=tuple(NAME_OF_R.values()),
    train=Split(IMAGENET_R, "train"),
    test=Split(IMAGENET_R, "test"),
)

IMAGENET_BENCHMARKS = (IMAGENET_BENCHMARK, IMAGENET_C_BENCHMARK, IMAGENET_R_BENCHMARK)
