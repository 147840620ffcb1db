"""The state of a training on disk: written whole or not at all, and read again to the same bits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from anchorline.engine.storage import flatten, read_tensors, unflatten, write_tensors, write_text
from anchorline.merit import NONE, Merit
from anchorline.tunables import Tuned

CHECKPOINT, LOG = "checkpoint.safetensors", "training.jsonl"


@dataclass
class State:
    """How far a training has come, beside parameters and optimizer."""

    step: int = 0
    best: Merit = NONE
    best_epoch: int = 0
    best_tuned: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    movement: list[list[Any]] = field(default_factory=list)

    def stopped(self, patience: int, epoch: int) -> bool:
        return patience > 0 and epoch - self.best_epoch >= patience


def write_state(run: Path, identity: str, state: State, model: Tuned, optimizer: Optimizer | None) -> None:
    """Without an optimizer nobody goes on from here: the best epoch alone is written. Raises `UserError`."""
    tensors = {f"best.{name}": tensor for name, tensor in state.best_tuned.items()}
    facts: dict[str, Any] = {
        "identity": identity, "step": state.step, "best": state.best, "best_epoch": state.best_epoch,
        "history": state.history, "movement": state.movement, "optimizer": None,
    }  # fmt: skip
    if optimizer is not None:
        own, facts["optimizer"] = flatten(optimizer.state_dict())
        tensors |= own | {f"tuned.{name}": tensor for name, tensor in model.tuned().items()}
    write_tensors(run / CHECKPOINT, tensors, facts)
    write_text(run / LOG, "".join(json.dumps(row) + "\n" for row in state.history))


def read_state(run: Path, identity: str, model: Tuned, optimizer: Optimizer) -> State | None:
    """The state of the same identity, with parameters and optimizer put back; None if there is none."""
    found = read_tensors(run / CHECKPOINT)
    if not found or found[1]["identity"] != identity:
        return None
    tensors, facts = found
    if facts["optimizer"]:
        model.put(_under(tensors, "tuned."))
        optimizer.load_state_dict(unflatten(tensors, facts["optimizer"]))
    return State(
        step=facts["step"],
        best=(facts["best"][0], facts["best"][1]),
        best_epoch=facts["best_epoch"],
        best_tuned=_under(tensors, "best."),
        history=facts["history"],
        movement=facts["movement"],
    )


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
