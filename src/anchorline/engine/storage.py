"""Files written whole or not at all: text, and tensors in safetensors with JSON values beside them."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from psutil import pid_exists
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from anchorline.engine.locks import machine
from anchorline.errors import UserError

_STATE = "state"
_PART = ".part"
_WRITER = re.compile(r"^\..+\.(?P<machine>[0-9a-f]{12})-(?P<process>\d+)-\d+-anchorline\.part$")
ADVICE = (
    "make room or give another directory with --out, and the same command goes on from what was last written"
)
_ABANDONED = 3600.0  # seconds after which nobody can still be writing a file without a sign of it
_numbers = count()


def write_tensors(file: Path, tensors: Mapping[str, Tensor], facts: dict[str, Any] | None = None) -> None:
    """Write tensors and JSON values whole or not at all: whoever kills us finds the file as it was before.

    Raises `UserError` where the disk is full or may not be written.
    """
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(file) as unfinished:
        save_readable(ready, unfinished, {_STATE: json.dumps(facts or {})})


def save_readable(tensors: dict[str, Tensor], file: Path, metadata: dict[str, str]) -> None:
    """`safetensors.torch.save_file`, whose files only the owner can read, with the mode that `open` gives:
    runs are shared."""
    file.touch()
    mode = file.stat().st_mode
    save_file(tensors, file, metadata=metadata)
    file.chmod(mode)


def write_text(file: Path, text: str, errors: str = "strict") -> None:
    """Write a text as UTF-8, whole or not at all. Raises `UserError` likewise."""
    with replacing(file) as unfinished:
        unfinished.write_text(text, encoding="utf-8", errors=errors, newline="\n")


@contextmanager
def replacing(file: Path, advice: str = ADVICE) -> Iterator[Path]:
    """A name of one's own beside `file`, to write to; it becomes `file` when the block ends without an error.

    Raises `UserError`, which ends with the advice, where the disk is full or may not be written.
    """
    name = f".{file.name}.{_here()}-{os.getpid()}-{next(_numbers)}-anchorline{_PART}"
    unfinished = file.with_name(name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(file)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write {file} ({error}); {advice}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `write_tensors` wrote, or None if there is no such file, or one that is not ours."""
    try:
        with safe_open(file, framework="pt") as stored:
            facts = json.loads(stored.metadata()[_STATE])
            return {name: stored.get_tensor(name) for name in stored.keys()}, facts  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None


def read_facts(file: Path) -> dict[str, Any]:
    """The JSON values of such a file, without its tensors; empty where there is none."""
    try:
        with safe_open(file, framework="pt") as stored:
            found = json.loads(stored.metadata()[_STATE])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def sweep(directory: Path) -> None:
    """Take away what killed processes were writing in a directory, or below it, and left unfinished."""
    now = time.time()
    for file in directory.rglob(f".*{_PART}"):
        if writer := _WRITER.search(file.name):
            with suppress(OSError):
                dead = writer["machine"] == _here() and not pid_exists(int(writer["process"]))
                if dead or now - file.stat().st_mtime > _ABANDONED:
                    file.unlink()


def _here() -> str:
    return sha256(f"{socket.gethostname()} {machine()}".encode()).hexdigest()[:12]
