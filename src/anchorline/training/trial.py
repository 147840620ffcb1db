"""One trial of a search: what a training has found, kept under the hash of what was asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from anchorline.engine.distributed import is_main_process
from anchorline.engine.jobs import Job
from anchorline.engine.memory import peak_memory, reset_peak
from anchorline.errors import DivergedError
from anchorline.methods.selection import LOWEST, ValScore
from anchorline.training.state import CHECKPOINT


@dataclass(frozen=True, eq=False)
class Trial:
    """What a training has found.

    Attributes:
        tuned: tensors of the best epoch, by name.
        chosen: what val has chosen, and the values that were tried.
        val_score: of the best epoch.
        movement: how far layers moved; the rows of movement.csv.
        seconds, peak_memory: wall time, and MiB while training.
        diverged: why there is nothing, where the loss was no number any more.
    """

    tuned: dict[str, Tensor]
    chosen: dict[str, float]
    val_score: ValScore = LOWEST
    movement: list[list[Any]] = field(default_factory=list)
    seconds: float = 0.0
    peak_memory: float = 0.0
    diverged: str = ""

    def scored(self) -> tuple[ValScore, Trial]:
        """For `best_of`. Raises `DivergedError` where nothing was found."""
        if self.diverged:
            raise DivergedError(self.diverged)
        return self.val_score, self


def tried(train: Callable[[], Trial], device: torch.device, job: Job | None) -> Trial:
    """What `train` finds, timed; put where the job says.

    The state of training has served then, unless it tells where a training diverged.
    """
    reset_peak(device)
    begun = time.perf_counter()
    try:
        found = train()
    except DivergedError as error:
        found = Trial({}, {}, diverged=str(error))
    found = replace(found, seconds=time.perf_counter() - begun, peak_memory=peak_memory(device))
    if job and is_main_process():
        job.put(
            {
                "chosen": found.chosen,
                "val_score": found.val_score,
                "movement": found.movement,
                "seconds": found.seconds,
                "peak_memory": found.peak_memory,
                "diverged": found.diverged,
            },
            found.tuned,
        )
        if not found.diverged:
            (job.file.parent / CHECKPOINT).unlink(missing_ok=True)
    return found


def read_trial(job: Job) -> Trial | None:
    """The answer of a trial, if it is there."""
    answer = job.answer()
    if answer is None:
        return None
    facts = answer.facts
    # Copies lie aligned in memory, so that products round as they did before saving.
    tuned = {name: tensor.clone() for name, tensor in answer.tensors.items()}
    first, second = facts["val_score"]
    return Trial(
        tuned,
        facts["chosen"],
        (first, second),
        facts["movement"],
        facts["seconds"],
        facts["peak_memory"],
        facts["diverged"],
    )
