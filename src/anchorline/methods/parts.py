"""The parts of a method by name: what may stand after `--set tunable=`, and the classes that JSON names."""

from __future__ import annotations

import dataclasses
from typing import Any

from anchorline.engine.plugins import Table
from anchorline.methods import blends, constraints, objectives, tunables
from anchorline.methods.hyperparameters import Training
from anchorline.methods.table import METHODS

# By the field of a row that they stand in.
NAMED: dict[str, Table[Any]] = {
    "tunable": Table(tunables.choices.items()),
    "objective": Table(objectives.choices.items()),
    "constraint": Table(constraints.choices.items()),
    "blend": Table(blends.choices.items()),
}


def parts_of(row: Any) -> dict[str, Any]:
    """The parts of a row of a table by field, its training among them."""
    values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    return {name: value for name, value in values.items() if dataclasses.is_dataclass(value)}


def kinds() -> dict[str, type]:
    """The classes of all parts that are known, by name."""
    parts = [part for named in NAMED.values() for part in named.values()]
    parts += [part for row in METHODS.values() for part in parts_of(row).values()]
    return {kind.__name__: kind for kind in (*map(type, parts), Training)}
