"""What can be trained: one module a kind, each with a frozen dataclass of choices."""

from anchorline.tunables.base import Adaptation, Labelled, Task, Tunable
from anchorline.tunables.both_towers import BothTowers
from anchorline.tunables.head import Head
from anchorline.tunables.image_tower import ImageTower
from anchorline.tunables.nothing import Nothing
from anchorline.tunables.programs import Programs
from anchorline.tunables.prompt import Prompt
from anchorline.tunables.tuned import Tuned

__all__ = [
    "Adaptation", "BothTowers", "Head", "ImageTower", "Labelled", "Nothing", "Programs", "Prompt", "Task",
    "Tunable", "Tuned",
]  # fmt: skip
