"""The state of a training on disk: written whole or not at all, and read again to the same bits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from anchorline.engine.storage import read_tensors, write_tensors, write_text
from anchorline.methods.selection import LOWEST, ValScore
from anchorline.methods.tunables import TunableModel

CHECKPOINT, LOG = "checkpoint.safetensors", "training.jsonl"


@dataclass
class State:
    """How far a training has come, beside parameters and optimizer."""

    step: int = 0
    best: ValScore = LOWEST
    best_epoch: int = 0
    best_tuned: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    movement: list[list[Any]] = field(default_factory=list)

    def stopped(self, patience: int, epoch: int) -> bool:
        return patience > 0 and epoch - self.best_epoch >= patience


def write_state(
    run: Path, identity: str, state: State, model: TunableModel, optimizer: Optimizer | None
) -> None:
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


def read_state(run: Path, identity: str, model: TunableModel, optimizer: Optimizer) -> State | None:
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


def flatten(state: dict[str, Any]) -> tuple[dict[str, Tensor], Any]:
    """An optimizer's `state_dict` as named tensors and the JSON values around them."""
    tensors: dict[str, Tensor] = {}

    def walk(value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            tensors[path] = value
            return {"tensor": path}
        if isinstance(value, dict):
            return {"dict": [[key, walk(item, f"{path}.{key}")] for key, item in value.items()]}
        if isinstance(value, list | tuple):
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [walk(item, f"{path}.{i}") for i, item in enumerate(value)]}
        return {"value": value}

    return tensors, walk(state, "optimizer")


def unflatten(tensors: dict[str, Tensor], facts: Any) -> Any:
    """The inverse of `flatten`."""
    ((kind, value),) = facts.items()
    if kind == "tensor":
        return tensors[value].clone()
    if kind == "dict":
        return {key: unflatten(tensors, item) for key, item in value}
    if kind == "list":
        return [unflatten(tensors, item) for item in value]
    if kind == "tuple":
        return tuple(unflatten(tensors, item) for item in value)
    return value
