"""Replicas of ImageNet and of the sets that are measured around it: all 1,000 classes, few images each.

`write` makes some 8,000 small files. ImageNet-C, whose 75 sets would be 75,000, is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from anchorline.suites.benchmarks.datasets.imagenet_classes import NAME_OF, NAME_OF_A, NAME_OF_R, WNIDS
from anchorline.suites.benchmarks.datasets.imagenet_val import DEVKIT
from anchorline.suites.benchmarks.replicas.drawing import Picture, texture, thing

_SIZE = 24  # pixels: there are thousands
_NUMBER = {wnid: number for number, wnid in enumerate(WNIDS)}
_OBJECTNET = {  # folder: ObjectNet's label, the classes of ImageNet
    "alarm_clock": ("Alarm clock", ("analog clock", "digital clock")),
    "banana": ("Banana", ("banana",)),
    "chair": ("Chair", ("barber chair", "folding chair", "rocking chair")),
    "teapot": ("Teapot", ("teapot",)),
    "coaster": ("Coaster", ()),
    "dress_shirt": ("Dress shirt", ()),
}
_OUTLIERS = {
    "iNaturalist/images": 20,
    "SUN/images": 20,
    "Places/images": 20,
    "dtd/images/banded": 10,
    "dtd/images/dotted": 10,
    "ssb_hard/n02084732": 10,
    "ssb_hard/n02688895": 10,
    "NINCO/NINCO_OOD_classes/amphiuma_means": 10,
    "NINCO/NINCO_OOD_classes/donuts": 10,
    "openimage_o/images": 20,
}


def write(root: Path, seed: int = 0) -> None:
    """Three train images and one of val a class, one or two of each shift's, five of ImageNet-R's."""
    rng = np.random.default_rng(seed)
    for wnid in WNIDS:
        for number in range(3):
            _save(root / "imagenet/train" / wnid / f"{wnid}_{number + 1}.JPEG", _picture(rng, wnid))
    _write_val(root / "imagenet", rng)
    for wnid in WNIDS:
        v2 = root / "imagenetv2-matched-frequency-format-val" / str(_NUMBER[wnid])
        _save(v2 / f"{rng.bytes(8).hex()}.jpeg", _picture(rng, wnid))
        grey = _picture(rng, wnid).mean(2, keepdims=True).repeat(3, 2)
        _save(root / "sketch" / wnid / "sketch_1.JPEG", grey)
    _write_shift(root / "imagenet-a", NAME_OF_A, 2, rng)
    write_r(root, seed)
    _write_objectnet(root / "objectnet-1.0", rng)
    for folder, count in _OUTLIERS.items():
        for number in range(count):
            _save(root / folder / f"{number:04}.jpg", texture(rng, _SIZE))


def write_r(root: Path, seed: int = 0) -> None:
    """ImageNet-R alone: 200 classes, five images each."""
    _write_shift(root / "imagenet-r", NAME_OF_R, 5, np.random.default_rng(seed))


def _write_val(root: Path, rng: np.random.Generator) -> None:
    """The images in one folder, and the devkit, whose numbers of classes are in another order."""
    order = rng.permutation(WNIDS)  # class 1, 2 … of the devkit
    shown = rng.permutation(len(WNIDS))
    for number, one in enumerate(shown, start=1):
        _save(root / "val" / f"ILSVRC2012_val_{number:08}.JPEG", _picture(rng, str(order[one])))
    data = root / DEVKIT / "data"
    data.mkdir(parents=True)
    truth = "".join(f"{one + 1}\n" for one in shown)
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text(truth, encoding="utf-8")
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    rows = [(number, wnid, NAME_OF[str(wnid)], "", 0) for number, wnid in enumerate(order, start=1)]
    rows.append(
        (len(rows) + 1, "n00001740", "entity", "", len(rows))
    )  # above the classes, as in the true one
    scipy.io.savemat(data / "meta.mat", {"synsets": np.array(rows, dtype=fields)[:, None]})


def _write_shift(root: Path, wnids: Iterable[str], images: int, rng: np.random.Generator) -> None:
    for wnid in wnids:
        for number in range(images):
            _save(root / wnid / f"art_{number}.jpg", 255 - _picture(rng, wnid))


def _write_objectnet(root: Path, rng: np.random.Generator) -> None:
    wnid_of = {name: wnid for wnid, name in NAME_OF.items()}
    for folder, (_, names) in _OBJECTNET.items():
        for number in range(2):
            label = _NUMBER[wnid_of[names[0]]] if names else 0
            image = thing(rng, label, len(WNIDS), _SIZE + 20)
            for edge in (image, image.transpose(1, 0, 2)):
                edge[[0, -1]] = 255, 0, 0
            _save(root / "images" / folder / f"{number:04}.png", image)
    order = [str(wnid) for wnid in rng.permutation(WNIDS)]
    said = [NAME_OF[wnid] + ", synonym" for wnid in order]  # as in "rocking chair, rocker"
    tables: dict[str, dict[str, object]] = {
        "folder_to_objectnet_label.json": {folder: label for folder, (label, _) in _OBJECTNET.items()},
        "objectnet_to_imagenet_1k.json": {
            label: "; ".join(f"{name}, synonym" for name in names)
            for label, names in _OBJECTNET.values()
            if names
        },
        "pytorch_to_imagenet_2012_id.json": {str(_NUMBER[wnid]): line for line, wnid in enumerate(order)},
    }
    (root / "mappings").mkdir()
    for name, table in tables.items():
        (root / "mappings" / name).write_text(json.dumps(table), encoding="utf-8")
    (root / "mappings" / "imagenet_to_label_2012_v2").write_text("\n".join(said) + "\n", encoding="utf-8")


def _picture(rng: np.random.Generator, wnid: str) -> Picture:
    return thing(rng, _NUMBER[wnid], len(WNIDS), _SIZE)


def _save(file: Path, picture: Picture) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture.astype(np.uint8)).save(file)
