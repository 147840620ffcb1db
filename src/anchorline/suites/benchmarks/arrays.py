"""Images and labels that lie in one file: .npy, .npz, .mat, plain bytes, and CIFAR's pickles."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from anchorline.errors import UserError

T = TypeVar("T")
Images = npt.NDArray[np.uint8]


def npy(file: Path) -> npt.NDArray[Any]:
    """The array of a .npy file, mapped and not read."""
    return _opened(file, lambda: np.load(file, mmap_mode="r", allow_pickle=False))


def npz(file: Path, *keys: str) -> list[npt.NDArray[Any]]:
    """These arrays of a .npz file; others, which may hold Python objects, stay unread."""

    def read() -> list[npt.NDArray[Any]]:
        with np.load(file, allow_pickle=False) as arrays:
            return [arrays[key] for key in keys]

    return _opened(file, read)


def mat(file: Path, *keys: str) -> list[npt.NDArray[Any]]:
    """These variables of a .mat file."""
    from scipy.io import loadmat

    def read() -> list[npt.NDArray[Any]]:
        content = loadmat(file, variable_names=list(keys))
        return [content[key] for key in keys]

    return _opened(file, read)


def plain(file: Path, record: int) -> Images:
    """uint8 [N, record] from a file of nothing but records of so many bytes."""
    size = file.stat().st_size
    if size % record or not size:
        raise UserError(f"{file} has {size:,} bytes, no multiple of {record:,}; it is cut off, get it anew")
    return np.memmap(file, np.uint8, "r").reshape(-1, record)


def pickled(file: Path) -> dict[str, Any]:
    """The dictionary of a pickle of Python 2, as CIFAR comes; nothing in it can run.

    Only dictionaries, lists, numbers, texts and numpy arrays are admitted.
    """

    def read() -> dict[str, Any]:
        with file.open("rb") as stream:
            content = _ArraysOnly(stream, encoding="latin1").load()
        if not isinstance(content, dict):
            raise ValueError("it holds no dictionary")
        return content

    return _opened(file, read)


class _ArraysOnly(pickle.Unpickler):
    _RECONSTRUCT = np.zeros(0).__reduce__()[0]  # numpy moved it; old pickles name the old place
    _ADMITTED: ClassVar = {
        ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no data set needs") from None


def _opened(file: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except FileNotFoundError as error:
        raise UserError(f"there is no {file}; extract the whole archive again") from error
    except Exception as error:  # each format has errors of its own for a broken file
        raise UserError(
            f"cannot read {file} ({error}); it is damaged or another file, get it anew"
        ) from error


def planes(rows: npt.NDArray[Any], size: int, file: Path) -> Images:
    """uint8 [N, 3 * size * size], the red of an image row by row, then green, blue -> [N, size, size, 3]."""
    if rows.dtype != np.uint8 or rows.shape[1:] != (3 * size * size,):
        raise UserError(f"{file} holds no images of {size} x {size} pixels; is it that file?")
    return rows.reshape(-1, 3, size, size).transpose(0, 2, 3, 1)


def checked(images: npt.NDArray[Any], size: int, file: Path) -> Images:
    """The same array. Raises `UserError` unless it is uint8 [N, size, size, 3]."""
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3):
        shape = " x ".join(map(str, images.shape))
        raise UserError(
            f"{file} holds {images.dtype} numbers, {shape}, and not {size} x {size} images; is it that file?"
        )
    return images


def named(labels: npt.NDArray[Any], classes: Sequence[str], images: int, file: Path) -> tuple[str, ...]:
    """The class names of `images` labels, counted from 0.

    Raises `UserError` if there are more or fewer labels, or one that names no class.
    """
    flat = np.asarray(labels).ravel()
    if len(flat) != images:
        raise UserError(f"{file} has {len(flat):,} labels for {images:,} images; get both anew")
    if len(flat) and not (flat.dtype.kind in "iu" and flat.min() >= 0 and flat.max() < len(classes)):
        raise UserError(f"{file} holds labels that are none of {len(classes)} classes; is it that file?")
    return tuple(classes[label] for label in flat.tolist())
