"""State on disk without pickles: tensors in safetensors, everything else as JSON beside them in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from anchorline.errors import UserError

_STATE = "state"
# The mode that `open` gives; safetensors makes its files the owner's alone, and runs are shared.
_umask = os.umask(0)
os.umask(_umask)
READABLE = 0o666 & ~_umask


def write_tensors(file: Path, tensors: dict[str, Tensor], facts: dict[str, Any] | None = None) -> None:
    """Write tensors and JSON values whole or not at all: whoever kills us finds the file as it was before.

    Raises `UserError` where the disk is full or may not be written.
    """
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {_STATE: json.dumps(facts or {})}
    with replacing(file) as unfinished:
        save_file(ready, unfinished, metadata=metadata)


def write_text(file: Path, text: str) -> None:
    """Write a text whole or not at all. Raises `UserError` likewise."""
    with replacing(file) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    unfinished = file.with_name(f"{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        unfinished.chmod(READABLE)
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(file)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"cannot write {file} ({error}); make room or give another directory with --out, and the same "
            "command goes on from what was last written"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `write_tensors` wrote, or None if there is no such file, or one that is not ours."""
    try:
        with safe_open(file, framework="pt") as stored:
            facts = json.loads(stored.metadata()[_STATE])
            return {name: stored.get_tensor(name) for name in stored.keys()}, facts  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
