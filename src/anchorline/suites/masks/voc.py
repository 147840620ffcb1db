"""PASCAL VOC 2012 segmentation, PASCAL-Context and PASCAL-Person-Part, as they lie on disk.

Masks of a test set are not published: as papers do, we take the published val as test. Our val is a fifth of
the published train, chosen by a hash of the file names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from anchorline.engine.paths import expanded
from anchorline.errors import UserError
from anchorline.suites.labels import StrPath, counted
from anchorline.suites.masks.files import Files, split_val
from anchorline.suites.masks.sets import MaskedSet
from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.suites.scan import folder

# fmt: off
VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)
CONTEXT_CLASSES = (
    "background", "aeroplane", "bag", "bed", "bedclothes", "bench", "bicycle", "bird", "boat",
    "book", "bottle", "building", "bus", "cabinet", "car", "cat", "ceiling", "chair", "cloth",
    "computer", "cow", "cup", "curtain", "dog", "door", "fence", "floor", "flower", "food", "grass",
    "ground", "horse", "keyboard", "light", "motorbike", "mountain", "mouse", "person", "plate",
    "platform", "pottedplant", "road", "rock", "sheep", "shelves", "sidewalk", "sign", "sky",
    "snow", "sofa", "table", "track", "train", "tree", "truck", "tvmonitor", "wall", "water",
    "window", "wood",
)
# fmt: on
PART_CLASSES = ("background", "head", "torso", "upper arms", "lower arms", "upper legs", "lower legs")


def voc2012(root: StrPath) -> SegmentationSuite:
    """VOC 2012: 1,464 images to learn from, 1,449 to test on; background and 20 classes, outlines are void.

    `root` is VOCdevkit/VOC2012 or a folder that holds it: ImageSets/Segmentation, JPEGImages and
    SegmentationClass of VOCtrainval_11-May-2012.tar. Raises `UserError` where it is another folder or lacks
    files.
    """
    devkit = _devkit(root, "VOC2012", "VOCtrainval_11-May-2012.tar")
    lists, masks = devkit / "ImageSets" / "Segmentation", devkit / "SegmentationClass"
    return _suite("voc2012", VOC_CLASSES, devkit, lists, masks, (1464, 1449), "VOCtrainval_11-May-2012.tar")


def pascal_context(root: StrPath) -> SegmentationSuite:
    """PASCAL-Context: 4,998 images to learn from, 5,105 to test on; background (index 0) and 59 classes.

    `root` is VOCdevkit/VOC2010 or a folder that holds it. Masks and lists as mmsegmentation lays them out:
    SegmentationClassContext and ImageSets/SegmentationContext, which its converter makes of
    trainval_merged.json. Raises `UserError` where it is another folder or lacks files.
    """
    devkit = _devkit(root, "VOC2010", "VOCtrainval_03-May-2010.tar")
    lists, masks = devkit / "ImageSets" / "SegmentationContext", devkit / "SegmentationClassContext"
    made_by = "mmsegmentation's tools/dataset_converters/pascal_context.py"
    return _suite("pascal-context", CONTEXT_CLASSES, devkit, lists, masks, (4998, 5105), made_by)


def person_part(root: StrPath) -> SegmentationSuite:
    """PASCAL-Person-Part: 1,716 images to learn from, 1,817 to test on; background and six parts of the body.

    `root` holds VOCdevkit/VOC2010 (for its JPEGImages) and pascal_person_part/, with pascal_person_part_gt
    and pascal_person_part_trainval_list; or is that devkit, with these inside. Raises `UserError` where
    something is missing.
    """
    devkit = _devkit(root, "VOC2010", "VOCtrainval_03-May-2010.tar")
    masks = _part_folder(root, devkit, "pascal_person_part_gt")
    lists = _part_folder(root, devkit, "pascal_person_part_trainval_list")
    archive = "pascal_person_part.zip"
    return _suite("pascal-person-part", PART_CLASSES, devkit, lists, masks, (1716, 1817), archive)


_YEAR = re.compile(r"VOC20\d\d$")  # the folder of one year's challenge

READERS: dict[str, Callable[[StrPath], SegmentationSuite]] = {
    "voc2012": voc2012,
    "pascal-context": pascal_context,
    "pascal-person-part": person_part,
}


def _devkit(root: StrPath, year: str, archive: str) -> Path:
    """The folder of one year's challenge: `root` itself, or below it."""
    top = folder("data", root)
    for here in (top / "VOCdevkit" / year, top / year, top):
        name = here.resolve().name
        if (here / "JPEGImages").is_dir() and (name == year or not _YEAR.match(name)):
            return here
    near = (top.resolve(), *top.iterdir(), *(top / "VOCdevkit").glob("*"))
    other = sorted({path.name for path in near if _YEAR.match(path.name)} - {year})
    if other:
        raise UserError(f"{top} holds {' and '.join(other)}, and this needs {year}: extract {archive} there")
    if (top / archive).is_file():
        raise UserError(f"{top / archive} is not extracted; extract it there")
    raise UserError(
        f"{top} holds no VOCdevkit/{year}/JPEGImages; give the folder in which {archive} was extracted"
    )


def _part_folder(root: StrPath, devkit: Path, name: str) -> Path:
    top = expanded(root)
    for here in (top, devkit, devkit.parent, devkit.parent.parent):
        for found in (here / "pascal_person_part" / name, here / name):
            if found.is_dir():
                return found
    raise UserError(f"there is no pascal_person_part/{name} in {top}; extract pascal_person_part.zip there")


def _suite(
    name: str,
    classes: tuple[str, ...],
    devkit: Path,
    lists: Path,
    masks: Path,
    published: tuple[int, int],
    origin: str,
) -> SegmentationSuite:
    """The suite of two lists of images.

    `published`: how many images train and val list; `origin`: what lists and masks come from.
    """
    if not lists.is_dir() or not masks.is_dir():
        gone = masks if lists.is_dir() else lists
        raise UserError(f"there is no folder {gone}; it comes from {origin}")
    notes = ["test is the published val; background is a class, index 0, and counts"]
    listed: dict[str, MaskedSet] = {}
    for split, images in zip(("train", "val"), published, strict=True):
        stems = _stems(lists, split)
        if len(stems) != images:
            lists_now = counted(len(stems), "image")
            notes.append(f"{split}.txt lists {lists_now}; the published list has {images:,}")
        _check_whole(devkit / "JPEGImages", [f"{stem}.jpg" for stem in stems], split, "images")
        _check_whole(masks, [f"{stem}.png" for stem in stems], split, "masks")
        source = Files(
            tuple(devkit / "JPEGImages" / f"{stem}.jpg" for stem in stems),
            tuple(masks / f"{stem}.png" for stem in stems),
            tuple(range(len(classes))),
        )
        listed[split] = MaskedSet("test" if split == "val" else split, source, tuple(range(len(stems))))
    train, val, note = split_val(listed["train"], _stems(lists, "train"))
    return SegmentationSuite(name, classes, train, val, listed["val"], notes=(*notes, note))


def _stems(lists: Path, split: str) -> Sequence[str]:
    """Names without extension, from a list of them or of paths, the image's first on a line."""
    file = lists / f"{split}.txt"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the list {file} ({error}); extract it again") from error
    stems = [Path(line.split()[0]).stem for line in lines if line.strip()]
    if not stems:
        raise UserError(f"the list {file} is empty; extract it again")
    return stems


def _check_whole(where: Path, names: Iterable[str], split: str, what: str) -> None:
    """Raises `UserError` where files of a list are missing."""
    present = {path.name for path in where.iterdir()}
    every = list(names)
    gone = [name for name in every if name not in present]
    if gone:
        raise UserError(
            f"{where} lacks {len(gone):,} of the {len(every):,} {what} that {split}.txt lists, the first is "
            f"{gone[0]}; it is half extracted, so extract it again"
        )
