"""Nothing is trained: the encoder's own zero-shot classifier (arXiv 2103.00020, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

from anchorline.tunables.base import Adaptation, Task


@dataclass(frozen=True)
class Nothing:
    """The untouched encoder."""

    name = "nothing"
    changes_images = False

    def start(self, task: Task) -> Adaptation:
        return Adaptation(task)
