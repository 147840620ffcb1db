"""Suites from one file, `suite.toml`:

name = "clothing"            # or the name of the folder that holds train
train = "clothing/train"     # paths are relative to this file
test = "clothing/test"
val = "clothing/val"         # or split off train
bad_images = "skip"          # or "error"
near = ["objects"]           # the outlier sets that are close to the classes in meaning

[shifts]
sketch = "sketches"

[outliers]
textures = "dtd/images"
objects = "other-clothes"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anchorline.engine.paths import expanded
from anchorline.errors import UserError, nearest
from anchorline.suites.labels import StrPath

_PATHS = ("train", "val", "test")
_TEXTS = ("name", *_PATHS, "bad_images")
_TABLES = ("shifts", "outliers")
_KEYS = (*_TEXTS, "near", *_TABLES)


def read_toml(path: StrPath) -> dict[str, Any]:
    """The arguments of `Suite.from_folders` in a file. Raises `UserError` for anything amiss in it."""
    file = expanded(path)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the suite file {file}: {error.strerror}") from error
    except ValueError as error:  # not UTF-8, or not TOML: the message names the line
        raise UserError(f"the suite file {file} is not valid TOML: {error}") from error
    for key in content:
        if key not in _KEYS:
            raise UserError(f"the suite file {file} has an unknown key {key!r} ({nearest(key, _KEYS)})")
    for key in _TABLES:
        if not isinstance(content.get(key, {}), dict):
            raise UserError(f"{key} in {file} must be a table: [{key}], then lines NAME = DIR")
    if "train" not in content:
        raise UserError(f'the suite file {file} names no train folder; add train = "DIR"')
    _check_texts(file, "", {key: content[key] for key in _TEXTS if key in content})
    for key in _TABLES:
        _check_texts(file, f"{key}.", content.get(key, {}))

    near = content.get("near", [])
    if not isinstance(near, list) or not all(isinstance(one, str) for one in near):
        raise UserError(f'near in {file} is {near!r}; it must be a list of outlier sets: near = ["NAME"]')

    def paths(table: Mapping[str, str]) -> dict[str, Path]:
        return {key: file.parent / expanded(value) for key, value in table.items()}

    sets = paths({key: content[key] for key in _PATHS if key in content})
    return {
        "train": sets["train"],
        "test": sets.get("test"),
        "val": sets.get("val"),
        "shifts": paths(content.get("shifts", {})),
        "outliers": paths(content.get("outliers", {})),
        "bad_images": content.get("bad_images", "error"),
        "name": content.get("name"),
        "near": near,
    }


def _check_texts(file: Path, prefix: str, table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if not isinstance(value, str) or not value:
            raise UserError(f"{prefix}{key} in {file} is {value!r}; it must be a text in quotes")
