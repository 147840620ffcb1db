"""`anchorline.register`: parts that are added from outside the package."""

from __future__ import annotations

import dataclasses
from inspect import isfunction
from typing import Any, TypeVar

from anchorline.detectors import DETECTORS, Detector
from anchorline.engine.plugins import Table
from anchorline.errors import UserError
from anchorline.evaluation.evaluators.table import EVALUATORS
from anchorline.methods.blends import Blend
from anchorline.methods.constraints import Constraint
from anchorline.methods.objectives import Objective
from anchorline.methods.parts import NAMED, kinds, parts_of
from anchorline.methods.table import METHODS, Method
from anchorline.methods.tunables import Tunable
from anchorline.suites.benchmarks import BENCHMARKS, Benchmark

Part = TypeVar("Part")

_ROWS: tuple[tuple[str, type, Table[Any]], ...] = (
    ("method", Method, METHODS),
    ("detector", Detector, DETECTORS),
    ("benchmark", Benchmark, BENCHMARKS),
)
_CHOICES: tuple[tuple[str, type], ...] = (
    ("tunable", Tunable),
    ("constraint", Constraint),
    ("blend", Blend),
    ("objective", Objective),
)


def register(part: Part, name: str = "") -> Part:
    """Add a part to the tables, as if it stood in the package; the same part again changes nothing.

    Args:
        part: a row (`Method`, `Detector`, `Benchmark`); a choice of a method, an instance of a frozen
            dataclass that is a `Tunable`, `Objective`, `Constraint` or `Blend`; or an evaluator, a function
            from an `Evaluation` to `Metric`s.
        name: of a choice, as in `--set tunable=NAME`; "": its own `name`. Rows and evaluators have theirs.

    Returns:
        The part, so that an evaluator can be decorated.

    Raises:
        TypeError: it is none of these.
        UserError: another part has its name, or another class of parts that of its class, by which run
            directories know it.
    """
    kind, table = _place(part)
    own = getattr(part, "__name__" if kind == "evaluator" else "name")
    if name and kind not in NAMED and name != own:
        raise TypeError(f"the {kind} {own!r} is registered under its own name, not as {name!r}")
    name = name or own
    if name in table and table[name] != part:
        raise UserError(f"there is another {kind} {name!r}; register yours under another name")
    choices = parts_of(part).values() if kind == "method" else [part] if kind in NAMED else []
    known = kinds()
    for of in map(type, choices):
        if known.get(of.__name__, of) is not of:
            raise UserError(
                f"there is another class of parts called {of.__name__}, and run directories know parts by "
                f"that name; rename the class of {name!r}"
            )
    table[name] = part
    return part


def _place(part: Any) -> tuple[str, Table[Any]]:
    """What kind of part it is, and the table of these. Raises TypeError."""
    for kind, of, table in _ROWS:
        if isinstance(part, of):
            return kind, table
    for kind, of in _CHOICES:
        if dataclasses.is_dataclass(part) and not isinstance(part, type) and isinstance(part, of):
            return kind, NAMED[kind]
    if isfunction(part):
        return "evaluator", EVALUATORS
    raise TypeError(
        f"{part!r} is no part: give a Method, Detector or Benchmark, an instance of a dataclass that is a "
        "Tunable, Objective, Constraint or Blend, or a function that evaluates"
    )
