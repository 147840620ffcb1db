"""DomainNet: 345 classes in six looks (Peng et al., ICCV 2019, arXiv 1812.01754): Real -> the five others.

Its lists say which images are train and test: "real/aircraft_carrier/real_001_000001.jpg 0". There are
two versions of them: the original and the cleaned one, without the duplicates; whichever lies on disk is
taken, and a note says so where the number of images shows it. Lists of both mixed would put test images
into train, and are refused. The experiments of TPGM and FTP (arXiv 2303.10720, 2310.19182) are on the
original version.

Of Real and of its parts, FTP released lists for train and val: real_train_50_percent_split.txt with
real_val_50_percent_split.txt, and so on. Where both lie beside the others, they are train and val; else
train is real_train.txt, of which `stratified_subset` draws the part by class, and a tenth becomes val.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path

from anchorline.errors import UserError, nearest
from anchorline.suites.benchmarks.class_folders import folders
from anchorline.suites.benchmarks.dataset import Dataset, Listing, folder_with, md5_of, text_of
from anchorline.suites.images.sources import Folder
from anchorline.suites.labels import counted
from anchorline.suites.split import stratified_subset

_FILE = files("anchorline") / "data" / "domainnet-classes.txt"
FOLDERS = tuple(one for one in _FILE.read_text(encoding="utf-8").splitlines() if not one.startswith("#"))
_NUMBER = {folder: number for number, folder in enumerate(FOLDERS)}
CLASSES = tuple(folder.replace("_", " ") for folder in FOLDERS)

_SITE = "https://ai.bu.edu/M3SDA/"
# Test images of the cleaned version (the catalogue of TensorFlow Datasets, domainnet) and of the original
# one (FTP's lists). Quickdraw had no duplicates.
_TEST = {
    "real": (52_041, 52_764),
    "sketch": (20_916, 21_271),
    "painting": (21_850, 22_892),
    "infograph": (15_582, 16_114),
    "clipart": (14_604, 14_814),
    "quickdraw": (51_750,),
}
# Images to learn from: what is drawn from the lists of either version (120,906 and 122,563 images), and
# FTP's train and val together.
_TRAIN = {
    "train": (120_906, 122_563),
    "train-50": (60_453, 61_282),
    "train-10": (12_091, 12_256, 12_257),
}
_FTP = "https://github.com/GT-RIPL/FTP, datasets/domainnet"
_RELEASED = {
    "real_train_100_percent_split.txt": "4dd0558a6b495a06a095c07ab7aa0974",
    "real_val_100_percent_split.txt": "309b7cce82b299e5aac70fad65c1f984",
    "real_train_50_percent_split.txt": "b072721f9afb6fbcf8fc3d6f20060a58",
    "real_val_50_percent_split.txt": "d6eaa61ca44bcc223873b9dfdb4d319e",
    "real_train_10_percent_split.txt": "7d8b1d61002ee08bee00b634d26280b7",
    "real_val_10_percent_split.txt": "e54bda11613532e6d1090dd6f9d8c16e",
}
_RELEASED_TEST = {
    "real_test.txt": "a7db28187438a946880c00783dd22f5e",
    "sketch_test.txt": "52cedfdb58b47974b6f5f1adb9d46f3d",
    "painting_test.txt": "94b33a288250a5d63b74d02a1812b4c8",
    "infograph_test.txt": "d65fcf3d4e6bf83c53540ccc1eccf911",
    "clipart_test.txt": "893ca38d7b5dd76aeb2c3bfdf4cfc694",
    "quickdraw_test.txt": "c1a828fdfe216fb109f1c0083a252c6f",
}


def _read(domain: str, found: Path, split: str) -> Listing:
    """`split`: "test", or "train", "train-50", "train-10" of Real."""
    if split == "test":
        name = f"{domain}_test.txt"
        images = _on_disk(domain, found, name)
        return _listed(found, images, _version(domain, found / name, len(images)))
    percent = int(split.partition("-")[2] or 100)
    train, val = (f"{domain}_{what}_{percent}_percent_split.txt" for what in ("train", "val"))
    whole = f"{domain}_train.txt"
    if (found / train).is_file() and (found / val).is_file():
        learnt, chosen = (_on_disk(domain, found, name) for name in (train, val))
        _check_apart((train, learnt), (val, chosen), found)
        known = all(md5_of(found / name) == _RELEASED.get(name) for name in (train, val))
        note = f"train and val by {train} and {val}, " + (
            "as FTP released them" if known else "of unknown origin"
        )
        listed = replace(_listed(found, [*learnt, *chosen], note), val=frozenset(chosen))
    elif percent == 100:
        listed = _listed(found, _on_disk(domain, found, whole), "")
    else:
        images = sorted(_on_disk(domain, found, whole))
        drawn = stratified_subset(images, [_folder(image) for image in images], percent / 100, "domainnet")
        note = (
            f"{percent} % of {whole} by a rule of ours, stratified by class; for FTP's choice put "
            f"{train} and {val} ({_FTP}) into {found}"
        )
        listed = _listed(found, [images[i] for i in drawn], note)
    test = f"{domain}_test.txt"
    if (found / test).is_file():
        _check_apart(("train", listed.paths), (test, _in_list(domain, found / test)), found)
    return listed


def _version(domain: str, file: Path, images: int) -> str:
    """What shows that a test list is of the original version; "" if nothing does."""
    if md5_of(file) == _RELEASED_TEST[file.name]:
        return f"by {file.name} of the original version, as FTP released it"
    original = _TEST[domain][1:]
    return "the original version, not the cleaned one" if images in original else ""


def _check_apart(one: tuple[str, Iterable[str]], other: tuple[str, Iterable[str]], found: Path) -> None:
    """Raises `UserError` if two lists, with their names, share an image."""
    shared = sorted({*one[1]} & {*other[1]})
    if shared:
        raise UserError(
            f"domainnet: {one[0]} and {other[0]} of {found} share {counted(len(shared), 'image')}, such as "
            f"{shared[0]}; the lists are of two versions, get all from one place"
        )


def _listed(found: Path, images: Iterable[str], note: str) -> Listing:
    paths = tuple(sorted(images))
    names = tuple(_folder(path).replace("_", " ") for path in paths)
    return Listing(Folder(found), paths, names, notes=(note,) if note else ())


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
    images = _in_list(domain, file)
    lacking = [image for image in images if image not in there]
    if lacking:
        raise UserError(
            f"domainnet: {found / domain} lacks {len(lacking):,} of the {len(images):,} images in {name}, "
            f"such as {lacking[0]}; unpack {domain}.zip again"
        )
    return images


def _in_list(domain: str, file: Path) -> list[str]:
    """The images that a list names, each once. Raises `UserError` if it is no list of this domain."""
    images: dict[str, None] = {}
    for number, line in enumerate(text_of("domainnet", file).splitlines(), start=1):
        if not line.strip():
            continue
        path, _, label = line.strip().rpartition(" ")
        expected = _expected(domain, path, label)
        if not expected and path in images:
            expected = "each image once"
        if expected:
            raise UserError(
                f"domainnet: line {number} of {file} is {line.strip()!r}, expected {expected}; "
                f"get it from {_SITE}"
            )
        images[path] = None
    return list(images)


def _expected(domain: str, path: str, label: str) -> str:
    """What should stand in a line instead; "" if it is right."""
    if not label.isdecimal() or not path.startswith(f"{domain}/") or path.count("/") != 2:
        return f"{domain}/CLASS/IMAGE.jpg and a number"
    if (own := _NUMBER.get(_folder(path))) is None:
        return f"a known class ({nearest(_folder(path), FOLDERS)})"
    return "" if int(label) == own else f"{own}, the number of that class"


def _part(domain: str) -> Dataset:
    read: Callable[[Path, str], Listing] = partial(_read, domain)
    learnt = domain == "real"
    lists = f"domainnet/{domain}_test.txt" + (f", domainnet/{domain}_train.txt" if learnt else "")
    return Dataset(
        name=f"domainnet ({domain})",
        about="345 classes in six looks (Peng et al. 2019, arXiv 1812.01754)",
        source=f"{_SITE} ({domain}.zip and its lists)"
        + (f"; FTP's parts of train: {_FTP}" if learnt else ""),
        licence="not stated; its site has a notice on fair use",
        layout=f"domainnet/{domain}/aircraft_carrier/*.jpg …, {lists}",
        images={"test": _TEST[domain], **(_TRAIN if learnt else {})},
        find=folder_with((f"{domain}_test.txt", domain), ("domainnet", "DomainNet", "domainnet_v1.0")),
        read=read,
        archives=(f"{domain}.zip", f"domainnet/{domain}.zip", f"DomainNet/{domain}.zip"),
        md5=_RELEASED if learnt else {},
    )


DOMAINS: dict[str, Dataset] = {domain: _part(domain) for domain in _TEST}
"""By name; Real, the first, is learnt from."""
