"""DomainNet: 345 classes in six looks (Peng et al., ICCV 2019, arXiv 1812.01754): Real -> the five others.

Its lists say which images are train and test: "real/aircraft_carrier/real_001_000001.jpg 0". There are
two versions of them: the original and the cleaned one, without the duplicates; whichever lies on disk is
taken, and a note says so where the number of images shows it. The experiments of TPGM and FTP (arXiv
2303.10720, 2310.19182) are on the original version.

For a part of Real, FTP released lists: real_train_50_percent_split.txt with
real_val_50_percent_split.txt, and so on. Where both lie beside the others, their images are train (and
val is a tenth of them, as there, though not the same tenth); else the part is drawn from real_train.txt
by `portion`, stratified by class.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from anchorline.errors import UserError
from anchorline.suites.disk.benchmark import Benchmark, Split
from anchorline.suites.disk.class_folders import folders
from anchorline.suites.disk.part import Listed, Part, folder_with, md5_of
from anchorline.suites.disk.portions import portion
from anchorline.suites.images import Folder
from anchorline.suites.scan import nearest

_FILE = Path(__file__).parents[2] / "data" / "domainnet-classes.txt"
FOLDERS = tuple(one for one in _FILE.read_text(encoding="utf-8").splitlines() if not one.startswith("#"))
_KNOWN = frozenset(FOLDERS)
CLASSES = tuple(folder.replace("_", " ") for folder in FOLDERS)
DOMAINS = ("real", "sketch", "painting", "infograph", "clipart", "quickdraw")
PERCENTS = (100, 50, 10)
VAL_SHARE = 0.1

_SITE = "https://ai.bu.edu/M3SDA/"
_ORIGINAL = {  # images in the original version's test lists, as FTP released them
    "real": 52_764, "sketch": 21_271, "painting": 22_892, "infograph": 16_114, "clipart": 14_814,
}  # fmt: skip
_FTP = "https://github.com/GT-RIPL/FTP, datasets/domainnet"
_RELEASED = {
    "real_train_100_percent_split.txt": "4dd0558a6b495a06a095c07ab7aa0974",
    "real_val_100_percent_split.txt": "309b7cce82b299e5aac70fad65c1f984",
    "real_train_50_percent_split.txt": "b072721f9afb6fbcf8fc3d6f20060a58",
    "real_val_50_percent_split.txt": "d6eaa61ca44bcc223873b9dfdb4d319e",
    "real_train_10_percent_split.txt": "7d8b1d61002ee08bee00b634d26280b7",
    "real_val_10_percent_split.txt": "e54bda11613532e6d1090dd6f9d8c16e",
}


def _read(domain: str, found: Path, split: str) -> Listed:
    """`split`: "test", or "train", "train-50", "train-10" of Real."""
    if split == "test":
        images = _on_disk(domain, found, f"{domain}_test.txt")
        known = _ORIGINAL.get(domain) == len(images)
        return _listed(found, images, "the original version, not the cleaned one" if known else "")
    percent = int(split.partition("-")[2] or 100)
    released = [f"{domain}_{what}_{percent}_percent_split.txt" for what in ("train", "val")]
    whole = f"{domain}_train.txt"
    if all((found / name).is_file() for name in released) and (
        percent < 100 or not (found / whole).is_file()
    ):
        known = all(md5_of(found / name) == _RELEASED.get(name) for name in released)
        note = f"by {' and '.join(released)}, " + ("as FTP released them" if known else "of unknown origin")
        return _listed(found, [image for name in released for image in _on_disk(domain, found, name)], note)
    images = sorted(_on_disk(domain, found, whole))
    if percent == 100:
        return _listed(found, images, "")
    chosen = portion(images, [_folder(image) for image in images], percent / 100, "domainnet")
    note = (
        f"{percent} % of {whole} by a rule of ours, stratified by class; for FTP's choice put "
        f"{' and '.join(released)} ({_FTP}) into {found}"
    )
    return _listed(found, [images[i] for i in chosen], note)


def _listed(found: Path, images: Iterable[str], note: str) -> Listed:
    paths = tuple(sorted(images))
    names = tuple(_folder(path).replace("_", " ") for path in paths)
    return Listed(Folder(found), paths, names, notes=(note,) if note else ())


def _folder(path: str) -> str:
    return path.split("/")[1]


def _on_disk(domain: str, found: Path, name: str) -> list[str]:
    """The images that a list names. Raises `UserError` if one is not there, or the list is none."""
    file = found / name
    if not file.is_file():
        raise UserError(f"domainnet: {found} lacks the list {name}; get it from {_SITE}")
    there = {
        f"{domain}/{folder}/{image}"
        for folder in folders("domainnet", found / domain)
        for image in os.listdir(found / domain / folder)  # noqa: PTH208 (names, not a Path each)
    }
    images = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        path, _, label = line.strip().rpartition(" ")
        if not label.isdecimal() or not path.startswith(f"{domain}/") or path.count("/") != 2:
            raise UserError(
                f"domainnet: line {number} of {file} is {line.strip()!r}, expected "
                f"{domain}/CLASS/IMAGE.jpg and a number; get it from {_SITE}"
            )
        if _folder(path) not in _KNOWN:
            raise UserError(
                f"domainnet: line {number} of {file} has an unknown class "
                f"({nearest(_folder(path), FOLDERS)}); get it from {_SITE}"
            )
        images.append(path)
    lacking = [image for image in images if image not in there]
    if lacking:
        raise UserError(
            f"domainnet: {found / domain} lacks {len(lacking):,} of the {len(images):,} images in {name}, "
            f"such as {lacking[0]}; unpack {domain}.zip again"
        )
    return images


def _part(domain: str) -> Part:
    read: Callable[[Path, str], Listed] = partial(_read, domain)
    learnt = domain == "real"
    splits = ["test", *(("train", "train-50", "train-10") if learnt else ())]
    lists = f"domainnet/{domain}_test.txt" + (f", domainnet/{domain}_train.txt" if learnt else "")
    return Part(
        name=f"domainnet ({domain})",
        about="345 classes in six looks (Peng et al. 2019, arXiv 1812.01754)",
        source=f"{_SITE} ({domain}.zip and its lists)"
        + (f"; FTP's parts of train: {_FTP}" if learnt else ""),
        licence="not stated; its site has a notice on fair use",
        layout=f"domainnet/{domain}/aircraft_carrier/*.jpg …, {lists}",
        images=dict.fromkeys(splits),
        find=folder_with((f"{domain}_test.txt", domain), ("domainnet", "DomainNet", "domainnet_v1.0")),
        read=read,
        archives=(f"{domain}.zip", f"domainnet/{domain}.zip", f"DomainNet/{domain}.zip"),
        md5=_RELEASED if learnt else {},
    )


_PARTS = {domain: _part(domain) for domain in DOMAINS}

DOMAINNET = Benchmark(
    name="domainnet",
    about="DomainNet Real -> Sketch, Painting, Infograph, Clipart, Quickdraw",
    paper="Tian et al. 2023: TPGM (arXiv 2303.10720), FTP (arXiv 2310.19182)",
    classes=CLASSES,
    train=Split(_PARTS["real"], "train"),
    test=Split(_PARTS["real"]),
    shifts={domain: Split(_PARTS[domain]) for domain in DOMAINS[1:]},
    val_share=VAL_SHARE,
)


def _with(percent: int) -> Benchmark:
    return replace(
        DOMAINNET,
        name=f"domainnet-{percent}",
        about=f"domainnet with {percent} % of Real's train",
        train=Split(_PARTS["real"], f"train-{percent}"),
    )


DOMAINNET_BENCHMARKS = (DOMAINNET, *(_with(percent) for percent in PERCENTS if percent < 100))
