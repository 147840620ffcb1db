"""ImageNet-R: a shift of ImageNet, and a benchmark of its own for learning 200 classes in sequence.

It has no train and test of its own. As a suite it is split 24,000 to 6,000, as the papers on continual
learning do since DualPrompt (Wang et al. 2022, arXiv 2204.04799): by the lists that CODA-Prompt released
(Smith et al. 2023, arXiv 2211.13218), imagenet-r_train.yaml and imagenet-r_test.yaml, where both lie in
its folder; else by `stratified_subset`, a fifth of the images for test, stratified by class.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anchorline.errors import UserError
from anchorline.suites.benchmarks.class_folders import in_class_folders, usual
from anchorline.suites.benchmarks.dataset import Dataset, Listing, md5_of, text_of
from anchorline.suites.benchmarks.datasets.imagenet_classes import NAME_OF_R
from anchorline.suites.benchmarks.datasets.imagenet_shifts import HENDRYCKS
from anchorline.suites.benchmarks.downloading import from_urls
from anchorline.suites.labels import counted
from anchorline.suites.split import stratified_subset

LISTS = "https://github.com/GT-RIPL/CODA-Prompt, dataloaders/splits"
TEST_SHARE = 0.2
_RELEASED = {
    "imagenet-r_train.yaml": "b90d9c763369c87dbd9becb80abd83b3",
    "imagenet-r_test.yaml": "3ea5a3aa2e96578874254d4ee87321b3",
}


def _read(found: Path, split: str) -> Listing:
    """`split`: "all", or one of a suite of its own, "train" or "test"."""
    everything = in_class_folders("imagenet-r", found, NAME_OF_R)
    assert everything.names is not None
    if split == "all":
        return everything
    if all((found / name).is_file() for name in _RELEASED):
        chosen, note = _listed(found, split, everything.paths)
        shared = {*chosen} & {*_listed(found, "train" if split == "test" else "test", everything.paths)[0]}
        if shared:
            raise UserError(
                f"imagenet-r: {' and '.join(_RELEASED)} of {found} share {counted(len(shared), 'image')}, "
                f"such as {everything.paths[min(shared)]}; get both from {LISTS}"
            )
    else:
        drawn = stratified_subset(everything.paths, everything.names, TEST_SHARE, "imagenet-r")
        chosen = drawn if split == "test" else np.setdiff1d(np.arange(len(everything.paths)), drawn).tolist()
        note = (
            f"split by a rule of ours, {TEST_SHARE:.0%} of each class for test; for the papers' split put "
            f"{' and '.join(_RELEASED)} ({LISTS}) into {found}"
        )
    return Listing(
        everything.source,
        tuple(everything.paths[i] for i in chosen),
        tuple(everything.names[i] for i in chosen),
        notes=(note,),
    )


def _listed(found: Path, split: str, paths: tuple[str, ...]) -> tuple[list[int], str]:
    name = f"imagenet-r_{split}.yaml"
    index = {path: number for number, path in enumerate(paths)}
    chosen = []
    for line in text_of("imagenet-r", found / name).splitlines():
        _, inner, path = line.partition("imagenet-r/")  # "- data/imagenet-r/n02128757/sculpture_4.jpg"
        if not inner:
            continue  # the labels, which the folders tell as well
        if path not in index:
            raise UserError(
                f"imagenet-r: {found} lacks {path}, which {name} lists; extract the archive again"
            )
        chosen.append(index[path])
    released = md5_of(found / name) == _RELEASED[name]
    return sorted(chosen), f"by {name}, " + (
        "as CODA-Prompt released it" if released else "of unknown origin"
    )


IMAGENET_R = Dataset(
    name="imagenet-r",
    about="renditions: art, cartoons, origami …, of 200 classes (Hendrycks et al. 2021, arXiv 2006.16241)",
    source=f"{HENDRYCKS}imagenet-r.tar",
    licence="not stated for the images; https://github.com/hendrycks/imagenet-r is MIT",
    layout="imagenet-r/n01443537/*.jpg …; to learn on it, the lists of CODA-Prompt there too, if you like",
    images={"all": 30_000, "train": 24_000, "test": 6_000},
    find=usual(
        ("imagenet-r", "imagenet_r", "ImageNet-R", "imagenet-rendition/imagenet-r",
         "images_largescale/imagenet_r"),
        tuple(NAME_OF_R)[:3],
    ),
    read=_read,
    archives=("imagenet-r.tar",),
    md5=_RELEASED,
    download=from_urls("", {f"{HENDRYCKS}imagenet-r.tar": "a61312130a589d0ca1a8fca1f2bd3337"}),
)  # fmt: skip
