"""What holds trained weights to the pre-trained ones, as choices of a method."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from glob import escape
from typing import Any, ClassVar, Literal, Protocol, cast, runtime_checkable

from torch import Tensor
from torch.optim import Optimizer

from anchorline.constraints import FTP, L2SP, MARSSP, SPD, TPGM
from anchorline.constraints.base import AnchorOptions, Constrained
from anchorline.methods.tunables import TunableModel


@runtime_checkable
class Constraint(Protocol):
    """What holds the weights: a frozen dataclass, whose fields are the choices. A subclass gives `name` and
    `wrap`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """For the table of methods."""

    @abstractmethod
    def wrap(self, optimizer: Optimizer, model: TunableModel, validation: Callable[[], Tensor]) -> Optimizer:
        """The optimizer that trains an adaptation under this constraint; `validation` gives the loss of the
        next batch of val."""

    @property
    def holds(self) -> bool:
        """Whether there must be pre-trained weights to hold."""
        return True

    @property
    def learns_on_val(self) -> bool:
        """Whether val trains something, beside choosing."""
        return False

    def radii(self, optimizer: Optimizer) -> dict[str, float]:
        """What the optimizer that `wrap` gave has learned: how far each parameter may be from its anchor, by
        name, as the largest sum of absolute values of a row; {} if it learns no such thing."""
        return {}

    def continued(self) -> Constraint:
        """The same for weights that start away from their anchor, since they go on from another training."""
        return self


@dataclass(frozen=True)
class Unconstrained(Constraint):
    """Nothing holds the weights."""

    name = "none"
    holds = False

    def wrap(self, optimizer: Optimizer, model: TunableModel, validation: Callable[[], Tensor]) -> Optimizer:
        return optimizer


class _Wrapping(Constraint):
    """A constraint whose choices are its optimizer's arguments."""

    wrapper: ClassVar[type[Constrained]]

    def wrap(self, optimizer: Optimizer, model: TunableModel, validation: Callable[[], Tensor]) -> Optimizer:
        named, where = _held(model)
        return self.wrapper(optimizer, named, **vars(self), **where)


@dataclass(frozen=True)
class ByL2SP(_Wrapping):
    """A penalty strength / 2 |W - W0|^2 (`anchorline.constraints.L2SP`).

    Attributes:
        strength: of the penalty.
        decoupled: decay towards W0 as AdamW decays towards zero, beside the gradient.
    """

    strength: float = 1e-2
    decoupled: bool = False

    name = "l2-sp"
    wrapper = L2SP


@dataclass(frozen=True)
class ByMARSSP(_Wrapping):
    """A penalty on the maximum absolute row sum of W - W0 (`anchorline.constraints.MARSSP`).

    Attributes:
        strength: of the penalty.
    """

    strength: float = 1e-4

    name = "mars-sp"
    wrapper = MARSSP


@dataclass(frozen=True)
class ByTPGM(Constraint):
    """Radii learned on batches of val (`anchorline.constraints.TPGM`).

    Attributes:
        every: radii are learned at the first step and at each so many after it; all steps project.
        iterations: batches of val at each learning.
        radius_lr: Adam's rate for the radii.
        norm: "mars", each row by its absolute sum, or "l2", each tensor by its Euclidean norm.
    """

    every: int = 1
    iterations: int = 1
    radius_lr: float = 1e-2
    norm: Literal["mars", "l2"] = "mars"

    name = "tpgm"
    learns_on_val = True

    def wrap(self, optimizer: Optimizer, model: TunableModel, validation: Callable[[], Tensor]) -> Optimizer:
        named, where = _held(model)
        return TPGM(optimizer, named, validation, **asdict(self), **where)

    def radii(self, optimizer: Optimizer) -> dict[str, float]:
        return cast(TPGM, optimizer).radii() if self.norm == "mars" else {}


@dataclass(frozen=True)
class ByFTP(_Wrapping):
    """Radii learned from the gradients of train (`anchorline.constraints.FTP`).

    Attributes:
        k: how readily radii shrink, 0 to 1.
        radius_lr: Adam's rate for the radii.
        exact: keep the direction of the step before, a second copy of the weights.
    """

    k: float = 1.0
    radius_lr: float = 1e-2
    exact: bool = False

    name = "ftp"
    wrapper = FTP

    def radii(self, optimizer: Optimizer) -> dict[str, float]:
        return cast(FTP, optimizer).radii()

    def continued(self) -> Constraint:
        return _ContinuedFTP(self.k, self.radius_lr, self.exact)


class _ContinuedFTP(ByFTP):
    """FTP whose radii start where the weights are.

    They would start at the anchor, and the first step would throw all weights back there.
    """

    def wrap(self, optimizer: Optimizer, model: TunableModel, validation: Callable[[], Tensor]) -> Optimizer:
        made = cast(FTP, super().wrap(optimizer, model, validation))
        made.start_from_here()
        return made


@dataclass(frozen=True)
class BySPD(_Wrapping):
    """Decay of those tensors whose gradient pulls back to the anchor (`anchorline.constraints.SPD`).

    Attributes:
        strength: of the decay.
    """

    strength: float = 1.0

    name = "spd"
    wrapper = SPD


def _held(model: TunableModel) -> tuple[list[tuple[str, Any]], AnchorOptions]:
    """Names of what is trained; the encoder's own weights as anchors, and what has none."""
    anchors = model.anchors()
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    free = [escape(name) for name, _ in named if name not in anchors]
    return named, {"anchor": anchors, "exclude": free}


choices = {  # after --set constraint=
    "none": Unconstrained(),
    "l2-sp": ByL2SP(),
    "mars-sp": ByMARSSP(),
    "tpgm": ByTPGM(),
    "ftp": ByFTP(),
    "spd": BySPD(),
}
