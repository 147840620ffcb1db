"""Tables of parts that installed packages add to, through the entry points `anchorline.parts`."""

from __future__ import annotations

import hashlib
import inspect
import sys
import warnings
from collections.abc import Iterable, Iterator, MutableMapping
from importlib.metadata import entry_points
from types import ModuleType
from typing import TypeVar

from anchorline.errors import first_line

GROUP = "anchorline.parts"
Part = TypeVar("Part")
_imported = False


class Table(MutableMapping[str, Part]):
    """Parts by name, in order. Those of installed packages are added before anyone looks."""

    def __init__(self, parts: Iterable[tuple[str, Part]]) -> None:
        self._parts = dict(parts)

    def __getitem__(self, name: str) -> Part:
        import_plugins()
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        import_plugins()
        return iter(self._parts)

    def __len__(self) -> int:
        import_plugins()
        return len(self._parts)

    def __setitem__(self, name: str, part: Part) -> None:
        self._parts[name] = part

    def __delitem__(self, name: str) -> None:
        del self._parts[name]

    def __repr__(self) -> str:
        return f"Table({self._parts!r})"


def import_plugins() -> None:
    """Import, once, the modules that the entry points name, each of which calls `anchorline.register`.

    One that fails is left out with a warning.
    """
    global _imported
    if _imported:
        return
    _imported = True  # before the imports, which look into the tables themselves
    for one in entry_points(group=GROUP):
        try:
            if not isinstance(one.load(), ModuleType):
                raise TypeError("it is no module; name the module that calls anchorline.register")
        except Exception as error:  # whatever goes wrong in it, the others are there
            package = one.dist.name if one.dist else one.name
            warnings.warn(
                f"{one.value}, a plugin of {package}, is left out: {first_line(error)}; update {package}, or "
                "uninstall it",
                stacklevel=2,
            )


def code_of(*parts: object) -> str:
    """Hex sha256 (16 digits) of the modules outside this package of classes and functions; "" where there is
    none.

    Answers that such code has given are not taken for those of another version of it.
    """
    names = sorted({str(getattr(part, "__module__", "")) for part in parts})
    digest = hashlib.sha256()
    foreign = [name for name in names if name.partition(".")[0] != __name__.partition(".")[0]]
    for name in foreign:
        try:
            source = inspect.getsource(sys.modules[name])
        except (KeyError, OSError, TypeError):  # typed at a prompt, say
            source = ""
        digest.update(f"{name}\0{source}\0".encode())
    return digest.hexdigest()[:16] if foreign else ""
