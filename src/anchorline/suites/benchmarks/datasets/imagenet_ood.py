"""The usual outlier sets of ImageNet: images of none of its classes.

iNaturalist, SUN and Places are the 10,000 images each that Huang & Li chose (MOS, CVPR 2021, arXiv
2105.01879); with DTD they are the four far sets of most papers, MCM and Reprogrammer among them. SSB-hard
and NINCO are near (OpenOOD v1.5, arXiv 2306.09301); OpenImage-O is whole here (ViM, CVPR 2022, arXiv
2203.10807), of whose images OpenOOD takes 1,763 for val.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anchorline.suites.benchmarks.class_folders import usual
from anchorline.suites.benchmarks.dataset import Dataset, Listing
from anchorline.suites.benchmarks.datasets.outliers import images_below
from anchorline.suites.benchmarks.downloading import from_urls

_MOS = "http://pages.cs.wisc.edu/~huangrui/imagenet_ood_dataset/"
_OPENOOD = "https://github.com/Jingkang50/OpenOOD"
_NINCO = "https://zenodo.org/record/8013288"


def _chosen_by_huang_and_li(name: str, about: str, licence: str, below: Sequence[str]) -> Dataset:
    return Dataset(
        name=name,
        about=f"{about}, chosen by Huang & Li (2021, arXiv 2105.01879) to share no class with ImageNet",
        source=f"{_MOS}{name}.tar.gz",
        licence=licence,
        layout=f"{name}/images/*.jpg",
        images={"test": 10_000},
        find=usual((name, *below), ("images",)),
        read=lambda found, split: images_below(name, found),
        archives=(f"{name}.tar.gz",),
    )


def _ninco(found: Path, split: str) -> Listing:
    inner = found / "NINCO_OOD_classes"  # beside it: subsets of other data sets, and noise
    return images_below("NINCO", inner if inner.is_dir() else found)


INATURALIST = _chosen_by_huang_and_li(
    "iNaturalist",
    "plants",
    "iNaturalist 2017 competition: non-commercial research and education",
    ("inaturalist", "images_largescale/inaturalist"),
)
SUN = _chosen_by_huang_and_li("SUN", "scenes", "not stated", ("sun",))
PLACES = _chosen_by_huang_and_li(
    "Places", "scenes", "Places2's terms: non-commercial research and education", ("places",)
)

SSB_HARD = Dataset(
    name="SSB-hard",
    about="ImageNet-21k classes near those of ImageNet-1k (Vaze et al. 2022, arXiv 2110.06207)",
    source=f"{_OPENOOD} (ssb_hard)",
    licence="ImageNet's terms of access: non-commercial research and education",
    layout="ssb_hard/n…/*.JPEG",
    images={"test": 49_000},
    find=usual(("ssb_hard", "SSB-hard", "images_largescale/ssb_hard")),
    read=lambda found, split: images_below("SSB-hard", found),
    archives=("ssb_hard.zip",),
)

NINCO = Dataset(
    name="NINCO",
    about="64 classes checked by eye to show nothing of ImageNet (Bitterwolf et al. 2023, arXiv 2306.00826)",
    source=f"{_NINCO} (NINCO_all.tar.gz)",
    licence="CC BY 4.0",
    layout="NINCO/NINCO_OOD_classes/*/*",
    images={"test": 5_879},
    find=usual(("NINCO", "ninco", "images_largescale/ninco"), ("NINCO_OOD_classes",)),
    read=_ninco,
    archives=("NINCO_all.tar.gz",),
    download=from_urls("", {f"{_NINCO}/files/NINCO_all.tar.gz": "b9ffae324363cd900a81ce3c367cd834"}),
)

OPENIMAGE_O = Dataset(
    name="OpenImage-O",
    about="photos checked by eye to show no class of ImageNet (Wang et al. 2022, arXiv 2203.10807)",
    source=f"https://github.com/haoqiwang/vim, or {_OPENOOD} (openimage_o)",
    licence="annotations CC BY 4.0, images CC BY 2.0",
    layout="openimage_o/images/*.jpg",
    images={"test": 17_632},
    find=usual(("openimage_o", "OpenImage-O", "OpenImagesO", "images_largescale/openimage_o")),
    read=lambda found, split: images_below("OpenImage-O", found),
    archives=("openimage_o.zip",),
)
