"""A method's choices as text: `--set tunable.width=0.1`, and JSON that gives the same method back."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from anchorline.errors import NoSuchFieldError, UserError, suggestion
from anchorline.methods.blends import Logits, Residual, Unblended, Weights
from anchorline.methods.constraints import ByFTP, ByL2SP, ByMARSSP, BySPD, ByTPGM, Unconstrained
from anchorline.methods.hyperparameters import Training, check_training
from anchorline.methods.objectives import Contrastive, CrossEntropy
from anchorline.methods.selection import put
from anchorline.methods.table import Method, Search
from anchorline.methods.tunables import BothTowers, Head, ImageTower, Nothing, Programs, Prompt

Row = TypeVar("Row", bound=Any)  # a frozen dataclass of parts

# What may stand after "--set tunable=", "--set objective=", "--set constraint=", "--set blend=".
NAMED: dict[str, dict[str, Any]] = {
    "tunable": {
        "nothing": Nothing(),
        "head": Head(),
        "image-tower": ImageTower(),
        "biases": ImageTower(parameters=("*bias",)),
        "both-towers": BothTowers(),
        "prompt": Prompt(),
        "programs": Programs(),
    },
    "objective": {
        "cross-entropy": CrossEntropy(),
        "contrastive": Contrastive(),
        "focal-contrastive": Contrastive(focal=True),
    },
    "constraint": {
        "none": Unconstrained(),
        "l2-sp": ByL2SP(),
        "mars-sp": ByMARSSP(),
        "tpgm": ByTPGM(),
        "ftp": ByFTP(),
        "spd": BySPD(),
    },
    "blend": {"none": Unblended(), "weights": Weights(), "residual": Residual(), "logits": Logits()},
}
_KINDS = {
    kind.__name__: kind for kind in (*{type(v) for named in NAMED.values() for v in named.values()}, Training)
}


def to_json(method: Any) -> dict[str, Any]:
    """Plain JSON values; parts carry the name of their kind."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {"kind": type(value).__name__, **dataclasses.asdict(value)}
        found[field.name] = value
    return found


def from_json(fields: Mapping[str, Any], row: type[Any] = Method) -> Any:
    """The inverse of `to_json`, for a row of any table.

    Raises KeyError, TypeError or ValueError for what it never wrote."""
    values = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            kind = _KINDS[value["kind"]]
            value = kind(**{k: _tuples(v) for k, v in value.items() if k != "kind"})
        values[name] = _tuples(value)
    return row(**values)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def override(method: Method, settings: Mapping[str, str]) -> Method:
    """The method with fields changed: {"tunable.width": "0.1", "blend": "residual"}.

    A field that is set is no longer searched. Raises `UserError` for a field or value that does not exist.
    """
    # Whole parts first, so that --set blend.alpha=0.5 blend=residual means what it says in any order.
    for path, text in sorted(settings.items(), key=lambda item: item[0].count(".")):
        value = _part(path, text) if path in NAMED else _value(method, path, text)
        if path == "constraint" and text != "none" and not _trains_weights(method):
            raise NoSuchFieldError(
                f"--set {path}={text}: {method.name} trains no pre-trained weights that could be held"
            )
        method = put(method, path, value)
        method = dataclasses.replace(method, search=without(method.search, path))
    return method


def override_each(
    rows: Iterable[Row],
    settings: Mapping[str, str],
    change: Callable[[Row, Mapping[str, str]], Row],
    strict: bool = False,
) -> list[Row]:
    """The rows, each with those of the settings that fit it, put in by `change`.

    Raises `NoSuchFieldError` for a setting that fits none of them; with `strict`, for one that does not fit
    all.
    """
    rows = list(rows)
    for path, value in sorted(settings.items(), key=lambda item: item[0].count(".")):  # whole parts first
        refused: list[NoSuchFieldError] = []
        for number, row in enumerate(rows):
            try:
                rows[number] = change(row, {path: value})
            except NoSuchFieldError as error:
                refused.append(error)
        if refused and (strict or len(refused) == len(rows)):
            raise refused[0]
    return rows


def validate(method: Method) -> None:
    """Raises `UserError` for choices that do not go together, or numbers that make no sense."""
    training, alpha = method.training, method.blend.alpha
    trains_nothing = method.tunable.name == "nothing"
    needs_none = trains_nothing or getattr(method.tunable, "start_from", "") == "linear-probe"
    complaint = ""
    if trains_nothing and training:
        complaint = "trains nothing; give it a tunable"
    elif training is None and not needs_none:
        complaint = f"follows no gradients and cannot train {method.tunable.name}; start from another method"
    elif isinstance(method.blend, Weights) and isinstance(method.tunable, Programs):
        complaint = "has no pre-trained weights to go back to; blend its features: blend=residual"
    elif method.constraint.name != "none" and not _trains_weights(method):
        complaint = f"cannot be held by {method.constraint.name}: it trains no pre-trained weights"
    elif alpha is not None and not 0 <= alpha <= 1:
        complaint = f"has blend.alpha={alpha:g}; give a share in [0, 1]"
    if complaint:
        raise UserError(f"{method.name} {complaint}")
    if training:
        check_training(method.name, training)


def _trains_weights(method: Method) -> bool:
    return isinstance(method.tunable, ImageTower | BothTowers)


def without(search: Search, path: str) -> Search:
    """A field that is set, or whose part is replaced, is searched no more."""
    return tuple(entry for entry in search if entry[0] != path and not entry[0].startswith(f"{path}."))


def _part(path: str, text: str) -> Any:
    if text not in NAMED[path]:
        raise UserError(f"--set {path}={text}: unknown; give one of {', '.join(NAMED[path])}")
    return NAMED[path][text]


def _value(method: Method, path: str, text: str) -> Any:
    part, _, name = path.partition(".")
    owner = getattr(method, part, None) if part in (*NAMED, "training") else None
    known = [f"{p}.{f}" for p in (*NAMED, "training") for f in _fields(getattr(method, p))] + list(NAMED)
    if owner is None or name not in _fields(owner):
        hint = suggestion(path, known)
        raise NoSuchFieldError(
            f"--set {path}: {method.name} has no such field{hint}; it has {', '.join(known)}"
        )
    hint_of = get_type_hints(type(owner))[name]
    try:
        return parsed(text, hint_of)
    except ValueError as error:
        raise UserError(f"--set {path}={text}: {error}") from error


def _fields(part: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(part)] if dataclasses.is_dataclass(part) else []


def parsed(text: str, hint: Any) -> Any:
    """Text -> a value of the type; ValueError with what is expected."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if text.lower() in ("none", "val") and type(None) in arguments:
            return None
        return parsed(text, next(a for a in arguments if a is not type(None)))
    if origin is Literal:
        if text not in arguments:
            raise ValueError(f"expected one of {', '.join(arguments)}")
        return text
    if origin is tuple:
        items = text.split(",")
        if arguments[-1] is not Ellipsis and len(items) != len(arguments):
            raise ValueError(f"expected {len(arguments)} values with commas between them")
        return tuple(parsed(item, arguments[0]) for item in items)
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError("expected true or false")
        return text.lower() == "true"
    try:
        return hint(text)
    except ValueError:
        raise ValueError(f"expected {'a whole number' if hint is int else 'a number'}") from None
