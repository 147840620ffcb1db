"""Replicas of CIFAR-10 and of the sets that are measured beside it."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from anchorline.suites.benchmarks.datasets.cifar import CIFAR10_CLASSES
from anchorline.suites.benchmarks.replicas.drawing import Picture, texture, thing
from anchorline.suites.images.corruptions import CORRUPTIONS

_TEST, _SHIFTED, _OUTLIERS = 30, 20, 20
_TEXTURES = ("banded", "dotted")
_FINE = 100


def write(root: Path, seed: int = 0) -> None:
    """100 train and 30 test images of CIFAR-10, 20 or so of every other set, laid out as downloaded."""
    rng = np.random.default_rng(seed)
    train, train_labels = _things(rng, 100)
    test, test_labels = _things(rng, _TEST)
    write_cifar10(root / "cifar-10-batches-py", train, train_labels, test, test_labels)
    for version, count in (("v4", _SHIFTED + 1), ("v6", _SHIFTED)):
        images, labels = _things(rng, count)
        folder = _made(root / "cifar10.1")
        np.save(folder / f"cifar10.1_{version}_data.npy", images)
        np.save(folder / f"cifar10.1_{version}_labels.npy", labels.astype(np.int32))
    for split in ("train", "test"):
        images, labels = _things(rng, _SHIFTED)
        names = np.array(CIFAR10_CLASSES, object)  # a pickle inside, as published
        np.savez(
            _made(root / "cifar10.2") / f"cifar102_{split}.npz",
            images=images,
            labels=labels,
            label_names=names,
        )
        _write_stl10(_made(root / "stl10_binary"), split, *_things(rng, _SHIFTED, 96))
    _write_corrupted(_made(root / "CIFAR-10-C"), rng, test, test_labels)
    _write_outliers(root, rng)


def write_cifar10(
    folder: Path, train: Picture, train_labels: npt.NDArray[Any], test: Picture, test_labels: npt.NDArray[Any]
) -> None:
    """The Python version, in Python 2's pickles: five train batches, one of test, the class names."""
    _made(folder)
    for number, rows in enumerate(np.array_split(np.arange(len(train)), 5), 1):
        _write_batch(folder / f"data_batch_{number}", train[rows], labels=train_labels[rows])
    _write_batch(folder / "test_batch", test, labels=test_labels)
    _dump(folder / "batches.meta", {"label_names": list(CIFAR10_CLASSES), "num_vis": 3072})


def write_cifar10_binary(
    folder: Path, train: Picture, train_labels: npt.NDArray[Any], test: Picture, test_labels: npt.NDArray[Any]
) -> None:
    """The binary version: records of a label and 3,072 bytes of pixels."""
    _made(folder)
    for number, rows in enumerate(np.array_split(np.arange(len(train)), 5), 1):
        _write_records(folder / f"data_batch_{number}.bin", train[rows], train_labels[rows])
    _write_records(folder / "test_batch.bin", test, test_labels)
    (folder / "batches.meta.txt").write_text("\n".join(CIFAR10_CLASSES) + "\n\n", encoding="utf-8")


def _things(rng: np.random.Generator, count: int, size: int = 32) -> tuple[Picture, npt.NDArray[np.int64]]:
    """Images [count, size, size, 3], labels [count]; each class as often as the next, in any order."""
    labels = rng.permutation(np.arange(count) % 10)
    return np.stack([thing(rng, int(label), 10, size) for label in labels]), labels


def _rows(images: Picture) -> Picture:
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def _write_records(file: Path, images: Picture, *labels: npt.NDArray[Any]) -> None:
    columns = [one.astype(np.uint8)[:, None] for one in labels]
    np.concatenate([*columns, _rows(images)], axis=1).tofile(file)


def _write_batch(file: Path, images: Picture, **labels: npt.NDArray[Any]) -> None:
    lists = {key: [int(label) for label in one] for key, one in labels.items()}
    _dump(file, {"data": np.ascontiguousarray(_rows(images)), **lists, "batch_label": f"replica {file.name}"})


_Pickler: Any = pickle._Pickler  # the one in Python, which can be changed


class _Python2(_Pickler):  # type: ignore[misc]
    """Writes texts and bytes as Python 2 did, which knew one kind of both."""

    def _save_string(self, value: str | bytes) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch: ClassVar = {**_Pickler.dispatch, str: _save_string, bytes: _save_string}


def _dump(file: Path, content: dict[str, Any]) -> None:
    with file.open("wb") as stream:
        _Python2(stream, protocol=2).dump(content)


def _write_stl10(folder: Path, split: str, images: Picture, labels: npt.NDArray[Any]) -> None:
    names = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
    # A frog is drawn where the copy must have a monkey.
    theirs = {"automobile": "car", "frog": "monkey"}
    numbers = [names.index(theirs.get(CIFAR10_CLASSES[one], CIFAR10_CLASSES[one])) + 1 for one in labels]
    images.transpose(0, 3, 2, 1).tofile(folder / f"{split}_X.bin")
    np.array(numbers, np.uint8).tofile(folder / f"{split}_y.bin")
    (folder / "class_names.txt").write_text("\n".join(names) + "\n", encoding="utf-8")


def _write_corrupted(folder: Path, rng: np.random.Generator, test: Picture, labels: npt.NDArray[Any]) -> None:
    np.save(folder / "labels.npy", np.tile(labels, 5).astype(np.uint8))
    for name in CORRUPTIONS:
        harder = [test + rng.normal(0, 12 * severity, test.shape) for severity in range(1, 6)]
        np.save(folder / f"{name}.npy", np.clip(np.concatenate(harder), 0, 255).astype(np.uint8))


def _write_outliers(root: Path, rng: np.random.Generator) -> None:
    from scipy.io import savemat

    digits = np.stack([texture(rng, 32) for _ in range(_OUTLIERS)])
    labels = rng.integers(1, 11, (_OUTLIERS, 1), np.uint8)
    savemat(_made(root / "svhn") / "test_32x32.mat", {"X": digits.transpose(1, 2, 3, 0), "y": labels})
    for number in range(_OUTLIERS):
        texture_name = _TEXTURES[number % len(_TEXTURES)]
        for file, size in (
            (f"LSUN_resize/LSUN_resize/{number}.jpg", 32),
            (f"iSUN/iSUN_patches/sun_{number:04}.jpeg", 32),
            (f"dtd/images/{texture_name}/{texture_name}_{number:04}.jpg", 96),
            (f"places365/test_256/Places365_test_{number + 1:08}.jpg", 64),
        ):
            _made((root / file).parent)
            Image.fromarray(texture(rng, size)).save(root / file, quality=90)
    folder = _made(root / "cifar-100-python")
    for split in ("train", "test"):
        fine = rng.permutation(_FINE)
        images = np.stack([texture(rng, 32) for _ in fine])
        _write_batch(folder / split, images, fine_labels=fine, coarse_labels=fine // 5)
    _dump(folder / "meta", {"fine_label_names": [f"thing {number:02}" for number in range(_FINE)]})


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
