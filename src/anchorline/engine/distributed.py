"""Several processes at one job (`accelerate launch`, `torchrun`): the first one writes and talks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast

T = TypeVar("T")

TIMEOUT = timedelta(hours=24)


def is_main_process() -> bool:
    """Whether this process is the one that writes files and talks to the user."""
    return os.environ.get("RANK", "0") == "0"


def is_distributed() -> bool:
    """Whether there are other processes at the same job."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def main_process_first() -> Iterator[None]:
    """The other processes wait until the first has left the block, and find what it wrote."""
    if not is_distributed():
        yield
        return
    from accelerate import PartialState  # takes a second, and only several processes need it

    # Encoding a large set can take hours, and the others wait.
    with PartialState(cpu=on_cpu(), timeout=TIMEOUT).main_process_first():
        yield


def from_main_process(decide: Callable[[], T]) -> T:
    """What the first process decides, on every process: the others wait for it and do not ask themselves."""
    if not is_distributed():
        return decide()
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    PartialState(cpu=on_cpu(), timeout=TIMEOUT)
    decided: list[Any] = [decide() if is_main_process() else None]
    broadcast_object_list(decided)
    return cast(T, decided[0])


def on_cpu() -> bool:
    """Whether processes share work on CPUs: there is no GPU, or ACCELERATE_USE_CPU says so."""
    import torch

    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes", "on")
    return asked or not torch.cuda.is_available()


def leave() -> None:
    """Take leave of the other processes; without it gloo may abort a process that ends."""
    if is_distributed() and "torch" in sys.modules:
        from torch import distributed

        if distributed.is_initialized():
            distributed.destroy_process_group()
