"""A small network under each constraint, alone or as two gloo processes: constrained_process.py FOLDER."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Shard
from torch.multiprocessing import start_processes
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD
from torch.utils._python_dispatch import TorchDispatchMode

from anchorline.constraints.base import Constrained
from tests.helpers.constrained import INNER, constrain, noise

STEPS = 4
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "ftp": ("ftp", {}),
    "ftp exact": ("ftp", {"exact": True, "k": 0.5}),
    "tpgm": ("tpgm", {}),
    "tpgm l2": ("tpgm", {"norm": "l2"}),
    "spd": ("spd", {}),
    "l2-sp": ("l2-sp", {}),
    "l2-sp decoupled": ("l2-sp", {"decoupled": True}),
    "mars-sp": ("mars-sp", {}),
}
# What is run as two processes: the anchor, how the model is placed, and whether half way another optimizer
# goes on with the state.
PLACES = [("copied", "ddp", False), ("copied", "fsdp", True), ("given", "fsdp", False)]
Place = Callable[[nn.Module], nn.Module]


class Collectives(TorchDispatchMode):
    """Counts them."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += "c10d" in func.namespace
        return func(*args, **(kwargs or {}))


def network() -> nn.Sequential:
    """Rows that two processes cannot share evenly, and single rows that leave one of them without any."""
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 1)).double()
    for name, parameter in model.named_parameters():
        parameter.data = noise(name, 0, parameter)
    return model


def loss(model: nn.Module, number: int, share: slice) -> Tensor:
    x = noise("x", number, torch.empty(8, 3, dtype=torch.float64))
    y = noise("y", number, torch.empty(8, 1, dtype=torch.float64))
    return (model(x[share]) - y[share]).square().mean()


def run(
    case: str,
    anchor: str,
    place: Place = lambda model: model,
    share: slice = slice(None),
    resumed: bool = False,
) -> tuple[dict[str, Tensor], list[int]]:
    """Parameters after the steps, and how many collectives each of FTP's own steps took."""
    kind, settings = CASES[case]
    settings = dict(settings)
    if anchor == "given":
        given = {name: p.detach() + 0.05 * noise(name, 1, p) for name, p in network().named_parameters()}
        settings["anchor"] = given
    model = place(network())
    if kind == "tpgm":
        settings["validation"] = lambda: loss(model, -1, share)

    def build() -> Constrained:
        return constrain(kind, INNER["adamw"](model.parameters()), dict(model.named_parameters()), **settings)

    optimizer = build()
    counts = []
    for step in range(STEPS):
        if resumed and step == STEPS // 2:
            state = deepcopy(optimizer.state_dict())
            optimizer = build()
            optimizer.load_state_dict(state)
        optimizer.zero_grad()
        loss(model, step, share).backward()
        with Collectives() if kind == "ftp" else nullcontext() as counting:
            optimizer.step()
        counts += [counting.count] if counting else []
    ended = {name.removeprefix("module."): whole(p.detach()) for name, p in model.named_parameters()}
    return ended, counts


def whole(parameter: Tensor) -> Tensor:
    return parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter


def in_process(rank: int, folder: Path) -> None:
    """Runs every case, and leaves in the folder what came of it."""
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)

    def sharded(model: nn.Module) -> nn.Module:
        fully_shard(model[2])
        return fully_shard(model)

    share = slice(4 * rank, 4 * rank + 4)
    place = {"ddp": DistributedDataParallel, "fsdp": sharded}
    ended = {
        (case, anchor, where): run(case, anchor, place[where], share, resumed)
        for case, (anchor, where, resumed) in product(CASES, PLACES)
    }
    across = fully_shard(nn.Linear(4, 2, bias=False), shard_placement_fn=lambda _: Shard(1))
    across(torch.ones(1, 4)).sum().backward()
    optimizer = constrain("ftp", SGD(across.parameters()), dict(across.named_parameters()))
    refusal = ""
    try:
        optimizer.step()
    except ValueError as error:
        refusal = str(error)
    if rank == 0:
        torch.save({"ended": ended, "refusal": refusal}, folder / "ended.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    # Forked, so that torch is imported once.
    start_processes(in_process, args=(Path(sys.argv[1]),), nprocs=2, start_method="fork")
