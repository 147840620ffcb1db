"""Several processes at one job (`accelerate launch`, `torchrun`): the first one writes and talks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def is_first() -> bool:
    """Whether this process is the one that writes files and talks to the user."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def first_goes_first() -> Iterator[None]:
    """The other processes wait until the first has left the block, and find what it wrote."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    from accelerate import PartialState  # takes a second, and only several processes need it

    with PartialState(cpu=_on_cpu()).main_process_first():
        yield


def _on_cpu() -> bool:
    import torch

    return not torch.cuda.is_available()
