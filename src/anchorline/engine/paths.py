"""Paths as users write them."""

from __future__ import annotations

import dataclasses
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from anchorline.errors import UserError

_Any = TypeVar("_Any")


def expanded(path: str | PathLike[str]) -> Path:
    """With ~ as the home directory. Raises `UserError` where there is none of that name."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        name = Path(path).parts[0]
        raise UserError(
            f"{path} begins with {name}, and no such home directory is known; write it out"
        ) from None


def with_homes(command: _Any) -> _Any:
    """A frozen dataclass with every path in it expanded, also in dataclasses in it. Raises `UserError`."""
    return dataclasses.replace(  # type: ignore[type-var]
        command,
        **{field.name: _expanded(getattr(command, field.name)) for field in dataclasses.fields(command)},  # type: ignore[arg-type]
    )


def _expanded(value: Any) -> Any:
    if isinstance(value, Path):
        return expanded(value)
    if isinstance(value, tuple):
        return tuple(map(_expanded, value))
    return with_homes(value) if dataclasses.is_dataclass(value) else value
