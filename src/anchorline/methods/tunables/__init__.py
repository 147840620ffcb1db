"""What can be trained: one module a kind, each with a frozen dataclass of choices."""

from anchorline.methods.tunables.base import AdaptedModel, Labelled, Nothing, Pretrained, Tunable
from anchorline.methods.tunables.both_towers import BothTowers
from anchorline.methods.tunables.head import Head
from anchorline.methods.tunables.image_tower import ImageTower
from anchorline.methods.tunables.programs import Programs
from anchorline.methods.tunables.prompt import Prompt
from anchorline.methods.tuned import TunableModel

__all__ = [
    "AdaptedModel", "BothTowers", "Head", "ImageTower", "Labelled", "Nothing", "Pretrained", "Programs",
    "Prompt", "Tunable", "TunableModel",
]  # fmt: skip
