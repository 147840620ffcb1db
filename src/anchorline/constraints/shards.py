"""Parameters that FSDP2 has cut along their first dimension: what must be summed over processes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def local(tensor: Tensor) -> Tensor:
    """This process's share of a distributed tensor, or the tensor itself."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


class Shards:
    """How parameters lie over processes. Rows are whole on one process; a tensor of one dimension, which is
    one row, may not be."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        """Raises ValueError for parameters that are cut otherwise than along their first dimension."""
        self.group = None
        mesh = self.mesh(parameters[0])
        if mesh is None:
            return
        for parameter in parameters:
            for axis, placement in enumerate(parameter.placements):  # type: ignore[attr-defined]
                if placement.is_replicate():
                    continue
                if not placement.is_shard(0):
                    raise ValueError(f"a parameter is placed as {placement}; only shards of dimension 0 work")
                self.group = mesh.get_group(axis)
        device = local(parameters[0]).device
        self.cut_rows = torch.tensor([p.ndim <= 1 for p in parameters], device=device)

    @staticmethod
    def mesh(parameter: Tensor):  # type: ignore[no-untyped-def]
        """The processes over which it lies; None if it is whole."""
        return getattr(parameter, "device_mesh", None)

    @property
    def whole(self) -> bool:
        return self.group is None

    def largest(self, norms: Tensor) -> Tensor:
        """Largest row norm of each parameter, [T], out of those of every process; rows that lie on several
        are summed."""
        return self.largest_of(self.gather(norms))

    def largest_of(self, told: Tensor) -> Tensor:
        """The same of what was gathered, [processes, T]."""
        if self.group is None:
            return told[0]
        return torch.where(self.cut_rows, told.sum(0), told.amax(0))

    def gather(self, values: Tensor) -> Tensor:
        """[N] of every process in one exchange: [processes, N]."""
        if self.group is None:
            return values.unsqueeze(0)
        found = [torch.empty_like(values) for _ in range(self.group.size())]
        torch.distributed.all_gather(found, values, group=self.group)
        return torch.stack(found)
