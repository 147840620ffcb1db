"""Files of weights: what lies in one, and what to do with one that is none."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from anchorline.encoders.weight_layouts import of_containers, of_names
from anchorline.errors import UserError, first_line


@dataclass(frozen=True)
class Stored:
    """A tensor of a file that was not read: its shape, and whether it holds floating-point numbers."""

    shape: tuple[int, ...]
    floating: bool


# How files begin that people take for weights, and what they are.
_BEGINNINGS = (
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself; fetch it with git lfs pull"),
    (b"<", "is a web page or XML, perhaps what a server said in place of the file; download it again"),
    (b"{", "is JSON, not weights; give the file with the tensors, all of them in one"),
    (b"GGUF", "is in the format of llama.cpp; give safetensors or a state dict of torch"),
    (b"\x89HDF", "is in HDF5, the format of Keras; give safetensors or a state dict of torch"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it"),
    (b"7z\xbc\xaf", "is a 7z archive; unpack it"),
)
_ENDINGS = {
    ".onnx": "is an ONNX graph",
    ".pb": "is a graph of TensorFlow",
    ".tflite": "is a graph of TensorFlow Lite",
    ".msgpack": "is in the format of Flax",
    ".mlmodel": "is in the format of Core ML",
}
_TAR = (257, b"ustar")
_NUMPY = (".npz", ".npy")  # big_vision's, which open_clip reads
_MIB = 1 << 20
# The state dict of a TorchScript archive; OpenAI's have three numbers in it that are no weights.
_FROM_SCRIPT = (
    "python -c \"import torch; s = torch.jit.load('{file}', map_location='cpu').state_dict(); "
    "[s.pop(n, None) for n in ('input_resolution', 'context_length', 'vocab_size')]; "
    "torch.save(s, 'weights.pt')\""
)


def read_layout(file: Path) -> dict[str, Stored] | None:
    """Names and shapes of the tensors of a file, without their values; None for arrays of numpy, which have
    names of their own. Raises `UserError` for what are no weights: what it is, and what to do."""
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            start = opened.read(512)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})") from error
    if wrong := _not_weights(file, start, size):
        raise UserError(f"{file} {wrong}")
    if file.suffix in _NUMPY:
        return None
    if file.suffix == ".safetensors":
        return _layout_of_safetensors(file)
    return _layout_of_torch(file)


def _not_weights(file: Path, start: bytes, size: int) -> str:
    if re.search(r"-\d{5}-of-\d{5}\.", file.name):
        return "is one part of several; join them in Python, and save one state dict"
    if not size:
        return "is empty; download or copy it again"
    for beginning, wrong in _BEGINNINGS:
        if start.lstrip(b"\xef\xbb\xbf \r\n").startswith(beginning):
            return wrong
    if start[_TAR[0] :].startswith(_TAR[1]):
        return "is a tar archive; unpack it"
    if file.suffix in _ENDINGS:
        return f"{_ENDINGS[file.suffix]}; give safetensors or a state dict of torch"
    is_safetensors = start[8:9] == b"{" and 0 < int.from_bytes(start[:8], "little") < size
    if is_safetensors and file.suffix != ".safetensors":
        return "holds safetensors under another name; rename it to end in .safetensors"
    if start.startswith(b"PK"):
        return _wrong_zip(file)
    if file.suffix == ".safetensors" and start[:1] == b"\x80":
        return "is a file of torch.save and no safetensors; rename it to end in .pt"
    return ""


def _wrong_zip(file: Path) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return f"is cut or damaged ({file.stat().st_size / _MIB:.1f} MiB); download or copy it again"
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        return (
            "is a program (TorchScript), as OpenAI released its models, and programs of others are not run; "
            "give the tag (MODEL:openai), or where you trust the file, write its state dict with "
            f"{_FROM_SCRIPT.format(file=file)} and give that"
        )
    if any(name.endswith("data.pkl") for name in names):
        if file.suffix == ".safetensors":
            return "is a file of torch.save and no safetensors; rename it to end in .pt"
        return ""
    if file.suffix == ".npz":
        return ""
    return "is a zip archive and no file of torch.save; unpack it and give the weights inside"


def _layout_of_safetensors(file: Path) -> dict[str, Stored]:
    try:
        with safe_open(file, framework="pt") as stored:
            slices = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118
            found = {
                name: Stored(tuple(one.get_shape()), one.get_dtype().startswith(("F", "BF")))
                for name, one in slices.items()
            }
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{file} is no safetensors file, or is cut or damaged ({first_line(error)}); "
            "download or copy it again"
        ) from error
    return _checked(file, found)


def _layout_of_torch(file: Path) -> dict[str, Stored]:
    try:
        content = torch.load(file, map_location="meta", weights_only=True)
    except Exception as error:  # a cut or foreign file ends in whatever its bytes lead to
        # What torch advises for objects, to load them without its guard, would run the file's code.
        if isinstance(error, pickle.UnpicklingError) and (named := re.search(r"GLOBAL (\S+)", str(error))):
            raise UserError(
                f"{file} holds more than tensors (objects of Python, such as {named[1]}); such files can run "
                "code and are not opened; where you trust it, load it in Python, write its state dict alone "
                "with torch.save(model.state_dict(), 'weights.pt') and give that"
            ) from error
        raise UserError(
            f"{file} is no file of torch.save, or is cut or damaged; download or copy it again"
        ) from error
    return _checked(file, _tensors_of(file, content))


def _tensors_of(file: Path, content: Any) -> dict[str, Stored]:
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]  # open_clip's own checkpoints
    if not isinstance(content, Mapping):
        raise UserError(
            f"{file} holds a {type(content).__name__} and no state dict; write one with "
            "torch.save(model.state_dict(), 'weights.pt') and give that"
        )
    if wrong := of_containers(content, file):
        raise UserError(f"{file} {wrong}")
    return {
        name: Stored(tuple(tensor.shape), tensor.is_floating_point())
        for name, tensor in content.items()
        if isinstance(name, str) and isinstance(tensor, torch.Tensor)
    }


def _checked(file: Path, found: dict[str, Stored]) -> dict[str, Stored]:
    """Without the prefix of data-parallel training, which open_clip takes away too."""
    if next(iter(found), "").startswith("module."):
        found = {name.removeprefix("module."): one for name, one in found.items()}
    if wrong := of_names(found):
        raise UserError(f"{file} {wrong}")
    return found
