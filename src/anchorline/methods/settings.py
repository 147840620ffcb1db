"""A method's choices as text: `--set tunable.width=0.1`, and JSON that gives the same method back."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from anchorline.engine.jobs import set_fields
from anchorline.engine.plugins import code_of
from anchorline.errors import NoSuchFieldError, UserError, suggestion
from anchorline.methods.hyperparameters import check_training
from anchorline.methods.parts import NAMED, kinds, parts_of
from anchorline.methods.selection import put
from anchorline.methods.table import Method, Search

Row = TypeVar("Row", bound=Any)  # of a table: a frozen dataclass of parts with `name` and `search`


def to_json(method: Any) -> dict[str, Any]:
    """Plain JSON values; parts carry the name of their kind."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {"kind": type(value).__name__, **dataclasses.asdict(value)}
        found[field.name] = value
    return found


def identifying(method: Any) -> dict[str, Any]:
    """What of a row decides what it gives, as plain JSON values: no words, and no field at its default (see
    `engine.jobs.set_fields`); of a part from outside the package, its code too."""
    found = set_fields(method)
    for name, value in found.items():
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            found[name] = {"kind": type(value).__name__, **set_fields(value)}
            if code := code_of(type(value)):
                found[name]["code"] = code
    return {name: value for name, value in found.items() if name not in ("about", "source")}


def from_json(fields: Mapping[str, Any], row: type[Any] = Method) -> Any:
    """The inverse of `to_json`, for a row of any table; reads what earlier versions have written, too: a part
    whose fields have had other names has a class method `upgraded`, from those to its own.

    Raises KeyError, TypeError or ValueError for what was never written.
    """
    values: dict[str, Any] = {}
    known = kinds()
    for name, value in fields.items():
        if isinstance(value, dict):
            kind = known.get(value["kind"])
            if kind is None:
                raise ValueError(
                    f"its {name} is a {value['kind']}, which no installed package has registered"
                )
            value = {k: _tuples(v) for k, v in value.items() if k != "kind"}
            value = kind(**(kind.upgraded(value) if hasattr(kind, "upgraded") else value))
        values[name] = _tuples(value)
    return row(**values)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def override(row: Row, settings: Mapping[str, str]) -> Row:
    """The row of a table with fields of its parts changed: {"tunable.width": "0.1", "blend": "residual"}.

    A field that is set is no longer searched. Raises `UserError` for a field or value that does not exist.
    """
    # Whole parts first, so that --set blend.alpha=0.5 blend=residual means what it says in any order.
    for path, text in sorted(settings.items(), key=lambda item: item[0].count(".")):
        value = _part(path, text) if path in _replaceable(row) else _value(row, path, text)
        if path == "constraint" and value.holds and not row.trains_weights:
            raise NoSuchFieldError(
                f"--set {path}={text}: {row.name} trains no pre-trained weights that could be held"
            )
        row = put(row, path, value)
        row = dataclasses.replace(row, search=_without(row.search, path))
    return row


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
    training, tunable, blend = method.training, method.tunable, method.blend
    alpha = blend.alpha
    complaint, numbers = "", tunable.complaint()
    if numbers:
        complaint = f"has {numbers}"
    elif training and not tunable.trains:
        complaint = "trains nothing; give it a tunable"
    elif training is None and tunable.trains and not tunable.fitted_at_start:
        complaint = f"follows no gradients and cannot train {tunable.name}; start from another method"
    elif blend.mixes_weights and not tunable.starts_untouched:
        complaint = "has no pre-trained weights to go back to; blend its features: blend=residual"
    elif blend.mixes_features and not tunable.unit_features:
        complaint = "has features of any length, whose mean with unit vectors says little; use blend=logits"
    elif method.constraint.holds and not method.trains_weights:
        complaint = f"cannot be held by {method.constraint.name}: it trains no pre-trained weights"
    elif alpha is not None and not 0 <= alpha <= 1:
        complaint = f"has blend.alpha={alpha:g}; give a share in [0, 1]"
    elif method.captions not in ("templates", "single") and method.captions.count("{}") != 1:
        complaint = f"has captions={method.captions}; give templates, single, or one with {{}} for the class"
    if complaint:
        raise UserError(f"{method.name} {complaint}")
    if training:
        check_training(method.name, training)


def _without(search: Search, path: str) -> Search:
    """A field that is set, or whose part is replaced, is searched no more."""
    return tuple(entry for entry in search if entry[0] != path and not entry[0].startswith(f"{path}."))


def _part(path: str, text: str) -> Any:
    if text not in NAMED[path]:
        raise UserError(f"--set {path}={text}: unknown; give one of {', '.join(NAMED[path])}")
    return NAMED[path][text]


def _replaceable(row: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(row) if field.name in NAMED]


def _value(row: Any, path: str, text: str) -> Any:
    part, _, name = path.partition(".")
    parts = parts_of(row)
    fields = {of: [field.name for field in dataclasses.fields(one)] for of, one in parts.items()}
    if name not in fields.get(part, ()):
        known = [f"{of}.{field}" for of, names in fields.items() for field in names] + _replaceable(row)
        hint = suggestion(path, known)
        raise NoSuchFieldError(f"--set {path}: {row.name} has no such field{hint}; it has {', '.join(known)}")
    vain = getattr(parts.get("tunable"), "unfollowed", {}) if part == "training" else {}
    if name in vain:
        raise NoSuchFieldError(f"--set {path} would change nothing of {row.name}; {vain[name]}")
    try:
        return parsed(text, get_type_hints(type(parts[part]))[name])
    except ValueError as error:
        raise UserError(f"--set {path}={text}: {error}") from error


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
