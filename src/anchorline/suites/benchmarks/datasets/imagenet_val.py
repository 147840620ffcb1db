"""ImageNet's val as it comes out of its archive: 50,000 files in one folder, the classes in a list elsewhere.

Lists that are known, in the order in which they are looked for:

* the devkit's ground truth, a number a line, whose meaning is in its meta.mat; extracted or as tar.gz;
* Kaggle's LOC_val_solution.csv: "ILSVRC2012_val_00000001,n01751748 111 108 ...";
* val.txt: "ILSVRC2012_val_00000001.JPEG 65", numbers by sorted WordNet id.
"""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import scipy.io

from anchorline.errors import UserError, first_line
from anchorline.suites.benchmarks.class_folders import images_in
from anchorline.suites.benchmarks.dataset import Listing
from anchorline.suites.benchmarks.datasets.imagenet_classes import NAME_OF, WNIDS
from anchorline.suites.images.sources import Folder

DEVKIT = "ILSVRC2012_devkit_t12"
_TRUTH, _META = "data/ILSVRC2012_validation_ground_truth.txt", "data/meta.mat"
_KAGGLE, _VAL = "LOC_val_solution.csv", "val.txt"
_DEPTH = 4  # folders upwards: Kaggle's csv lies three above ILSVRC/Data/CLS-LOC


def read_flat(folder: Path) -> Listing:
    """The images in imagenet/val. Raises `UserError` without a list, or if it does not fit the images."""
    images = images_in(folder)
    wnids = _labels(folder)
    unknown = next((image for image in images if Path(image).stem not in wnids), None)
    if unknown:
        raise UserError(f"imagenet-1k: the list of val's labels does not hold {folder / unknown}; is it val?")
    names = tuple(NAME_OF[wnids[Path(image).stem]] for image in images)
    return Listing(Folder(folder), tuple(images), names)


def _labels(folder: Path) -> dict[str, str]:
    """WordNet id by stem of the file name."""
    readers: tuple[tuple[str, Callable[[Path], dict[str, str]]], ...] = (
        (DEVKIT, _devkit_folder),
        (f"{DEVKIT}.tar.gz", _devkit_archive),
        (_KAGGLE, _kaggle),
        (_VAL, _numbers),
    )
    for name, read in readers:
        # Anybody may have a val.txt of something else further up.
        for place in (folder, *folder.parents[: 1 if name == _VAL else _DEPTH]):
            if (place / name).exists():
                try:
                    return _known(read(place / name))
                except Exception as error:  # each format has errors of its own for a broken file
                    raise UserError(
                        f"imagenet-1k: cannot read the labels of val in {place / name} "
                        f"({first_line(error)}); it is damaged or another file, get it anew"
                    ) from error
    raise UserError(
        f"imagenet-1k: the images in {folder} have no labels: sort them into folders by WordNet id, or put "
        f"{DEVKIT}.tar.gz, {_KAGGLE} or val.txt beside {folder.name}"
    )


def _known(wnids: dict[str, str]) -> dict[str, str]:
    unknown = next((wnid for wnid in wnids.values() if wnid not in NAME_OF), None)
    if unknown:
        raise ValueError(f"{unknown!r} is no class of it")
    return wnids


def _devkit_folder(devkit: Path) -> dict[str, str]:
    return _ground_truth((devkit / _TRUTH).read_bytes(), (devkit / _META).read_bytes())


def _devkit_archive(file: Path) -> dict[str, str]:
    with tarfile.open(file) as archive:
        members = [archive.extractfile(f"{DEVKIT}/{name}") for name in (_TRUTH, _META)]
        truth, meta = (member.read() if member else b"" for member in members)
    return _ground_truth(truth, meta)


def _ground_truth(truth: bytes, meta: bytes) -> dict[str, str]:
    synsets = scipy.io.loadmat(io.BytesIO(meta), squeeze_me=True)["synsets"]
    wnid_of = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets}
    return {
        f"ILSVRC2012_val_{number:08}": wnid_of[int(line)]
        for number, line in enumerate(truth.split(), start=1)
    }


def _kaggle(file: Path) -> dict[str, str]:
    with file.open(encoding="utf-8", newline="") as stream:
        return {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(stream)}


def _numbers(file: Path) -> dict[str, str]:
    rows = (line.split() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    wnid_of = {str(number): wnid for number, wnid in enumerate(WNIDS)}
    return {Path(name).stem: wnid_of[number] for name, number in rows}
