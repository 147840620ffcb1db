"""A task of a sequence, as the training loop sees it: which classes compete while it is learnt."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from anchorline.methods.selection import ValScore, val_score
from anchorline.tasks.classification.problem import Classification


@dataclass(frozen=True, eq=False)
class CurrentTask(Classification):
    """A classification among the classes from place `first` on.

    Where no image of an old class is at hand, every gradient would push the old classes' logits down,
    whatever the image shows, and the head alone would forget them; so only the task's own classes compete, as
    in the released code of CODA-Prompt (which sets the logits of old classes to -inf). Where some images are
    rehearsed or all are there, all classes compete, as they do at test time. The best epoch is judged on the
    task's own val images, among the same classes.

    Attributes:
        first: place of the first class that competes.
    """

    first: int = 0

    def loss(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return super().loss(outputs[:, self.first :], labels - self.first)

    def validate(self) -> tuple[ValScore, dict[str, float]]:
        found = val_score(self.val_logits()[:, self.first :], self.val.labels - self.first)
        return found, {"val_accuracy": 100 * found[0], "val_cross_entropy": -found[1]}
