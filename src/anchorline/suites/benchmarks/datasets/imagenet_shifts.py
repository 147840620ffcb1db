"""ImageNet-1k, and the sets of the same classes in another look: V2, A, R, Sketch, C."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from anchorline.errors import UserError
from anchorline.suites.benchmarks.class_folders import folders, in_class_folders, usual
from anchorline.suites.benchmarks.dataset import Dataset, Listing, folder_with
from anchorline.suites.benchmarks.datasets.imagenet_classes import NAME_OF, NAME_OF_A, WNIDS
from anchorline.suites.benchmarks.datasets.imagenet_val import DEVKIT, read_flat
from anchorline.suites.benchmarks.downloading import from_urls
from anchorline.suites.benchmarks.hub import HubSplit, from_hub
from anchorline.suites.images.corruptions import GROUPS

_FIRST = tuple(WNIDS[:3])
HENDRYCKS = "https://people.eecs.berkeley.edu/~hendrycks/"
_ZENODO = "https://zenodo.org/record/2235448"
_TRAIN, _VAL = 1_281_167, 50_000  # images
_HUB = "https://huggingface.co/datasets/"
# On the hub the class is the end of a file's name: n01440764_18_n01440764.JPEG.
_PATH_OF_1K = re.compile(r"(?:.*/)?(?P<stem>\w+)_(?P<folder>n\d{8})\.(?P<ending>JPEG)")
_PATH = re.compile(r".*/(?P<folder>n\d{8})/(?P<stem>[\w-]+)\.(?P<ending>JPEG)")
_PATH_OF_V2 = re.compile(r".*/(?P<folder>\d{1,3})/(?P<stem>[\w-]+)\.(?P<ending>jpeg)")


def _download_1k(root: Path) -> None:
    """Beside what is there already, if anything is."""
    splits = [
        HubSplit(name, folder, images, _PATH_OF_1K)
        for name, folder, images in (("validation", "val", _VAL), ("train", "train", _TRAIN))
    ]
    from_hub("ILSVRC/imagenet-1k", splits, gated=True)(IMAGENET.find(root) or root / "imagenet")


def _read_1k(found: Path, split: str) -> Listing:
    folder = found / split
    if split == "val" and folder.is_dir() and not any((folder / wnid).is_dir() for wnid in WNIDS):
        return read_flat(folder)
    return in_class_folders("imagenet-1k", folder, NAME_OF)


IMAGENET = Dataset(
    name="imagenet-1k",
    about="photos of 1,000 things, ILSVRC 2012 (Russakovsky et al. 2015, arXiv 1409.0575)",
    source=f"https://image-net.org/download.php, or {_HUB}ILSVRC/imagenet-1k (some 150 GB; for those who "
    "accepted its terms there and ran 'hf auth login')",
    licence="ImageNet's terms of access: non-commercial research and education",
    layout="imagenet/train/n01440764/*.JPEG …, and imagenet/val in such folders, or its 50,000 files with "
    f"{DEVKIT}.tar.gz, LOC_val_solution.csv or val.txt beside it",
    images={"train": _TRAIN, "val": _VAL},
    find=folder_with(
        (*(f"{split}/{wnid}" for split in ("train", "val") for wnid in _FIRST),
         f"train/{_FIRST[0]}.tar", "val/ILSVRC2012_val_00000001.JPEG"),
        ("imagenet", "ImageNet", "imagenet-1k", "imagenet1k", "ILSVRC2012", "ILSVRC/Data/CLS-LOC",
         "images_largescale/imagenet_1k"),
    ),
    read=_read_1k,
    archives=("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"),
    download=_download_1k,
)  # fmt: skip


def _read_v2(found: Path, split: str) -> Listing:
    # Its folders are class numbers, and sorted as texts (0, 1, 10, 100 …) they would be other classes.
    by_number = {str(number): NAME_OF[wnid] for number, wnid in enumerate(WNIDS)}
    sorted_anew = set(folders("imagenet-v2", found)) & set(WNIDS)
    return in_class_folders("imagenet-v2", found, NAME_OF if sorted_anew else by_number)


IMAGENET_V2 = Dataset(
    name="imagenet-v2",
    about="10,000 new test photos, matched frequency (Recht et al. 2019, arXiv 1902.10811)",
    source=f"{_HUB}vaishaal/ImageNetV2 (imagenetv2-matched-frequency.tar.gz)",
    licence="MIT",
    layout="imagenetv2-matched-frequency-format-val/0/*.jpeg … 999/*.jpeg",
    images={"test": 10_000},
    find=usual(
        ("imagenetv2-matched-frequency-format-val", "imagenetv2-matched-frequency",
         "ImageNetV2-matched-frequency", "imagenet_v2", "imagenet-v2",
         "imagenetv2/imagenetv2-matched-frequency-format-val", "images_largescale/imagenet_v2"),
        ("999", *_FIRST),
    ),
    read=_read_v2,
    archives=("imagenetv2-matched-frequency.tar.gz",),
    download=from_hub(  # published by Vaishaal Shankar, of its authors
        "vaishaal/ImageNetV2",
        [HubSplit("test", "imagenetv2-matched-frequency-format-val", 10_000, _PATH_OF_V2)],
        column="jpeg",
        builder="webdataset",
        files="imagenetv2-matched-frequency.tar.gz",
    ),
)  # fmt: skip

IMAGENET_A = Dataset(
    name="imagenet-a",
    about="7,500 photos that a ResNet-50 gets wrong, 200 classes (Hendrycks et al. 2021, arXiv 1907.07174)",
    source=f"{HENDRYCKS}imagenet-a.tar",
    licence="not stated for the images; https://github.com/hendrycks/natural-adv-examples",
    layout="imagenet-a/n01498041/*.jpg …",
    images={"test": 7_500},
    find=usual(
        ("imagenet-a", "imagenet_a", "ImageNet-A", "imagenet-adversarial/imagenet-a"), tuple(NAME_OF_A)[:3]
    ),
    read=lambda found, split: in_class_folders("imagenet-a", found, NAME_OF_A),
    archives=("imagenet-a.tar",),
    download=from_urls("", {f"{HENDRYCKS}imagenet-a.tar": "c3e55429088dc681f30d81f4726b6595"}),
)

SKETCH = Dataset(
    name="imagenet-sketch",
    about="black and white drawings of the 1,000 classes (Wang et al. 2019, arXiv 1905.13549)",
    source="https://github.com/HaohanWang/ImageNet-Sketch, "
    f"{_HUB}songweig/imagenet_sketch",
    licence="not stated for the images; https://github.com/HaohanWang/ImageNet-Sketch is MIT",
    layout="sketch/n01440764/*.JPEG …",
    images={"test": 50_889},
    find=usual(
        ("sketch", "ImageNet-Sketch/sketch", "imagenet-sketch/sketch", "imagenet-sketch/images",
         "imagenet-sketch/ImageNet-Sketch", "imagenet-sketch", "imagenet_sketch", "ImageNet-Sketch"),
        _FIRST,
    ),
    read=lambda found, split: in_class_folders("imagenet-sketch", found, NAME_OF),
    archives=("ImageNet-Sketch.zip", "imagenet_sketch.zip"),
    download=from_hub(  # published by Songwei Ge, of its authors
        "songweig/imagenet_sketch",
        [HubSplit("test", "sketch", 50_889, _PATH)],
        builder="imagefolder",
        files="data/ImageNet-Sketch.zip",
        streaming=False,
    ),
)  # fmt: skip


_MD5_OF_C = {  # as pytorch-ood has them
    "blur": "2d8e81fdd8e07fef67b9334fa635e45c",
    "digital": "89157860d7b10d5797849337ca2e5c03",
    "noise": "e80562d7f6c3f8834afb1ecf27252745",
    "weather": "33ffea4db4d93fe4a428c40a6ce0c25d",
}


def _read_c(part: str, found: Path, split: str) -> Listing:
    """`split`: "fog/3"."""
    if not (found / split).is_dir():
        raise UserError(f"{part}: {found} lacks the folder {split}; extract the whole archive again")
    return in_class_folders(part, found / split, NAME_OF)


def _part_of_c(group: str) -> Dataset:
    name, corruptions = f"imagenet-c ({group})", GROUPS[group]
    below = ("imagenet-c", "imagenet_c", "ImageNet-C", "ImageNetC", "images_largescale/imagenet_c")
    return Dataset(
        name=name,
        about="val under corruptions at five severities (Hendrycks & Dietterich 2019, arXiv 1903.12261)",
        source=f"{_ZENODO} ({group}.tar)",
        licence="CC BY 4.0",
        layout=f"imagenet-c/{corruptions[0]}/1/n01440764/*.JPEG …",
        images={f"{one}/{severity}": 50_000 for one in corruptions for severity in range(1, 6)},
        find=folder_with(corruptions, (*below, *(f"{one}/{group}" for one in below))),
        read=partial(_read_c, name),
        archives=(f"{group}.tar", f"imagenet-c/{group}.tar"),
        download=from_urls("imagenet-c", {f"{_ZENODO}/files/{group}.tar": _MD5_OF_C[group]}),
    )


IMAGENET_C: dict[str, Dataset] = {group: _part_of_c(group) for group in GROUPS}
"""By group of corruptions, as its archives are."""
