"""Benchmarks of segmentation on disk, for those who look for them; `suites.masks.voc` reads them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from anchorline.suites.benchmarks.dataset import Dataset, Listing, folder_with
from anchorline.suites.benchmarks.downloading import from_torchvision
from anchorline.suites.images.sources import Folder
from anchorline.suites.masks.voc import READERS

_VOC = "http://host.robots.ox.ac.uk/pascal/VOC"
_VOC2010 = f"{_VOC}/voc2010/VOCtrainval_03-May-2010.tar"
_FLICKR = "images from Flickr, by whose terms they may be used"
# The root, whatever it holds of them: the reader says what is wrong with it.
_find = folder_with(("VOCdevkit", "VOC2012", "VOC2010", "JPEGImages"))


def _read(name: str, found: Path, split: str) -> Listing:
    """The images that the published list names."""
    suite = READERS[name](found)
    sets = (suite.test,) if split == "test" else (suite.train, suite.val)
    return Listing(Folder(found), tuple(images.where(i) for images in sets for i in range(len(images))))


MASKED: dict[str, Dataset] = {
    one.name: one
    for one in (
        Dataset(
            name="voc2012",
            about="20 classes and background (Everingham et al. 2010, IJCV 88)",
            source=f"{_VOC}/voc2012/VOCtrainval_11-May-2012.tar",
            licence=_FLICKR,
            layout="VOCdevkit/VOC2012 with JPEGImages, SegmentationClass and ImageSets/Segmentation",
            images={"train": 1_464, "test": 1_449},
            find=_find,
            read=partial(_read, "voc2012"),
            archives=("VOCtrainval_11-May-2012.tar",),
            download=from_torchvision("VOCSegmentation", year="2012", image_set="train"),
        ),
        Dataset(
            name="pascal-context",
            about="59 classes and background (Mottaghi et al., CVPR 2014)",
            source=f"{_VOC2010}; masks and lists are made of "
            "https://codalabuser.blob.core.windows.net/public/trainval_merged.json by mmsegmentation's "
            "tools/dataset_converters/pascal_context.py",
            licence=f"{_FLICKR}; masks: not stated",
            layout="VOCdevkit/VOC2010 with JPEGImages, SegmentationClassContext and "
            "ImageSets/SegmentationContext",
            images={"train": 4_998, "test": 5_105},
            find=_find,
            read=partial(_read, "pascal-context"),
            archives=("VOCtrainval_03-May-2010.tar",),
        ),
        Dataset(
            name="pascal-person-part",
            about="six parts of the body and background (Chen et al., CVPR 2014, arXiv 1406.2031)",
            source=f"{_VOC2010} and http://liangchiehchen.com/data/pascal_person_part.zip",
            licence=f"{_FLICKR}; masks: not stated",
            layout="VOCdevkit/VOC2010/JPEGImages, and pascal_person_part with pascal_person_part_gt and "
            "pascal_person_part_trainval_list",
            images={"train": 1_716, "test": 1_817},
            find=_find,
            read=partial(_read, "pascal-person-part"),
            archives=("VOCtrainval_03-May-2010.tar", "pascal_person_part.zip"),
        ),
    )
}
"""By name; their published val serves as test, and our val is a fifth of their train."""
