"""What can be trained: one module a kind, each with a frozen dataclass of choices.

`choices` of each module are what may stand after `--set tunable=`.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from anchorline.methods.tunables.base import AdaptedModel, Labelled, Nothing, Pretrained, Tunable
from anchorline.methods.tunables.both_towers import BothTowers
from anchorline.methods.tunables.head import Head
from anchorline.methods.tunables.image_tower import ImageTower
from anchorline.methods.tunables.programs import Programs
from anchorline.methods.tunables.prompt import Prompt
from anchorline.methods.tuned import TunableModel

__all__ = [
    "AdaptedModel", "BothTowers", "Head", "ImageTower", "Labelled", "Nothing", "Pretrained", "Programs",
    "Prompt", "Tunable", "TunableModel", "choices",
]  # fmt: skip

_modules: list[Any] = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
choices: dict[str, Tunable] = {
    name: tunable for module in _modules for name, tunable in getattr(module, "choices", {}).items()
}
