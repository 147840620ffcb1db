"""Many parameters at once: in few kernels on a GPU, in pieces that stay in the cache on a CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from anchorline.constraints.anchors import Held
from anchorline.constraints.projection import as_rows, working_type
from anchorline.constraints.shards import Shards, local

# Elements that are looked at together. On a CPU smaller pieces cost more calls, and larger ones leave the
# cache: see benchmarks/optimizer_step.py.
_PIECE = {"cpu": 2**19}
_PIECE_ELSEWHERE = 2**24


@dataclass(frozen=True, eq=False)
class Piece:
    """Rows of one tensor, or the whole of several tensors of one shape.

    Attributes:
        numbers: of the tensors in their batch, int64 [G].
        members: the same as a list.
        rows: which rows.
        cut: whether a row lies on several processes.
    """

    numbers: Tensor
    members: list[int]
    rows: slice
    cut: bool

    def of(self, tensors: Sequence[Tensor]) -> Tensor:
        """[G, R, …]; of one tensor a view."""
        views = [as_rows(tensors[i])[self.rows] for i in self.members]
        return views[0].unsqueeze(0) if len(views) == 1 else torch.stack(views)

    def write(self, tensors: Sequence[Tensor], values: Tensor) -> None:
        """Put values [G, R, …] in place."""
        if len(self.members) == 1:
            as_rows(tensors[self.members[0]])[self.rows].copy_(values[0])
            return
        views = [as_rows(tensors[i])[self.rows] for i in self.members]
        torch._foreach_copy_(views, list(values.unbind(0)))


def row_sums(values: Tensor) -> Tensor:
    """[G, R, …] -> [G, R]."""
    return values.flatten(2).sum(2)


def row_lengths(values: Tensor) -> Tensor:
    """Sums of absolute values, [G, R, …] -> [G, R]."""
    return row_sums(values.abs())  # on a CPU three times as fast as vector_norm


class Batch:
    """Parameters on one device of one floating type, with gradients."""

    def __init__(self, held: list[Held]) -> None:
        self.held = held
        first = local(held[0].parameter)
        self.device = first.device
        self.dtype = working_type(first)
        self.shards = Shards([one.parameter for one in held])

    @cached_property
    def parameters(self) -> list[Tensor]:
        return [local(one.parameter) for one in self.held]

    @cached_property
    def anchors(self) -> list[Tensor | None]:
        return [None if one.anchor is None else local(one.anchor) for one in self.held]

    @property
    def gradients(self) -> list[Tensor]:
        return [local(one.parameter.grad) for one in self.held if one.parameter.grad is not None]

    def piece(self, piece: Piece, tensors: Sequence[Tensor]) -> Tensor:
        """[G, R, …] in the working type."""
        return piece.of(tensors).to(device=self.device, dtype=self.dtype)

    def parameter(self, piece: Piece) -> Tensor:
        return self.piece(piece, self.parameters)

    def anchor(self, piece: Piece) -> Tensor:
        """[G, R, …], or a zero."""
        anchors = [self.anchors[i] for i in piece.members]
        if anchors[0] is None:
            return torch.zeros((), dtype=self.dtype, device=self.device)
        return self.piece(piece, self.anchors)  # type: ignore[arg-type]

    def pull(self, piece: Piece, anchor: Tensor, weights: Tensor, share: Tensor) -> None:
        """Put the parameters where `share` of the way from their anchors to `weights` ends."""
        anchor = anchor.expand_as(weights)
        own = as_rows(self.parameters[piece.members[0]])[piece.rows]
        if weights.data_ptr() == own.data_ptr():  # a view of the one parameter: no copy on the way
            torch.lerp(anchor, weights, share, out=weights)
        else:
            piece.write(self.parameters, torch.lerp(anchor, weights, share))

    def zeros(self) -> Tensor:
        """One number for each parameter, [T]."""
        return torch.zeros(len(self.held), dtype=self.dtype, device=self.device)

    def of_each(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=self.dtype, device=self.device)

    def of_piece(self, values: list[float], dimensions: int) -> Tensor | float:
        """One number for each tensor of a piece, to multiply it with; no tensor where they agree."""
        if len(set(values)) == 1:
            return values[0]
        return self.of_each(values).view(-1, *[1] * (dimensions - 1))

    def raise_(self, found: Tensor, piece: Piece, norms: Tensor) -> None:
        """Take the largest of the piece's row norms [G, R] into those of all parameters [T]."""
        found[piece.numbers] = torch.maximum(found[piece.numbers], norms.amax(1))

    def largest_row_norms(self) -> Tensor:
        """Largest |W - W0|_1 of each parameter's rows here, [T]; of a row on several processes its part."""
        found = self.zeros()
        for piece in self.pieces:
            self.raise_(found, piece, row_lengths(self.parameter(piece) - self.anchor(piece)))
        return found

    @cached_property
    def pieces(self) -> list[Piece]:
        """All elements of all parameters, each once."""
        limit = _PIECE.get(self.device.type, _PIECE_ELSEWHERE)
        alike: dict[tuple[object, ...], list[int]] = {}
        for number, (parameter, anchor) in enumerate(zip(self.parameters, self.anchors, strict=True)):
            if parameter.numel():
                kind = None if anchor is None else (anchor.dtype, anchor.device)
                alike.setdefault((parameter.shape, kind), []).append(number)
        return [piece for numbers in alike.values() for piece in self._cut(numbers, limit)]

    def _cut(self, numbers: list[int], limit: int) -> Iterator[Piece]:
        rows = as_rows(self.parameters[numbers[0]])
        cut = self.held[numbers[0]].parameter.ndim <= 1 and not self.shards.whole
        together = max(1, limit // rows.numel())
        step = max(1, limit // rows[0].numel()) if together == 1 else len(rows)
        for start in range(0, len(numbers), together):
            members = numbers[start : start + together]
            index = torch.tensor(members, device=self.device)
            for first in range(0, len(rows), step):
                yield Piece(index, members, slice(first, first + step), cut)


class Cached:
    """Batches of held parameters by device, type and placement; made anew when others have gradients."""

    def __init__(self) -> None:
        self._held: list[Held] = []
        self._devices: list[torch.device] = []
        self._batches: list[Batch] = []

    def __call__(self, held: list[Held]) -> list[Batch]:
        devices = [one.parameter.device for one in held]
        if held != self._held or devices != self._devices:
            alike: dict[tuple[object, ...], list[Held]] = {}
            for one in held:
                share = local(one.parameter)
                key = (share.device, share.dtype, Shards.mesh(one.parameter))
                alike.setdefault(key, []).append(one)
            self._held, self._devices = held, devices
            self._batches = [Batch(group) for group in alike.values()]
        return self._batches
