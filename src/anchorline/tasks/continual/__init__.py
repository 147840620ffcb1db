"""Continual learning: the classes of a suite in tasks, one after the other, under one growing head."""

from anchorline.tasks.continual.comparing import ContinualComparison, compare
from anchorline.tasks.continual.learning import Setting
from anchorline.tasks.continual.methods import METHODS, ContinualMethod, changed, find_continual
from anchorline.tasks.continual.run import learn_sequence
from anchorline.tasks.continual.runs import Learnt
from anchorline.tasks.continual.sequence import TaskSequence, draw_sequence

__all__ = [
    "METHODS", "ContinualComparison", "ContinualMethod", "Learnt", "Setting", "TaskSequence", "changed",
    "compare", "draw_sequence", "find_continual", "learn_sequence",
]  # fmt: skip
