"""What all constraints share: they wrap an optimizer, and are one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypedDict, Unpack

import torch
from torch import Tensor
from torch.optim import Optimizer

from anchorline.constraints.anchors import Anchor, Held, excluded, held, names_of, read_anchor


class Where(TypedDict, total=False):
    """What is held, and to what; the keyword arguments of every constraint.

    Attributes:
        anchor: None: a copy of the parameters as they are now, which `state_dict` carries. Else a mapping of
            names to tensors, used as they lie, or a safetensors file, mapped into memory: not in
            `state_dict`, to be given again. On any device and in any floating type.
        exclude: patterns (fnmatch) of names that are not held.
        anchor_dtype, anchor_device: of the copy; None: as the parameter. A copy in half precision is where
            the weights are then held.
    """

    anchor: Anchor
    exclude: Sequence[str]
    anchor_dtype: torch.dtype | None
    anchor_device: torch.device | str | None


class Constrained(Optimizer):
    """An optimizer around another one, which holds the weights to an anchor.

    Both share their parameter groups: schedulers set the rates of either, and each group may have strengths
    of its own under the names of the constraint's arguments. A group with `"anchor": None` is not held (new
    heads), one with `"anchor": "zero"` is held to zeros (low-rank factors).

    Args:
        optimizer: any torch optimizer whose step takes no closure.
        named_parameters: of the whole model, for names in patterns and anchors.
        defaults: the constraint's own settings of a group.
        where: what is held, and to what: see `Where`.

    Raises:
        ValueError: a pattern that matches nothing, an optimizer's parameter without a name, a name without
            an anchor or with one of another shape, a complex parameter.
    """

    label: ClassVar[str]  # first part of the names of its own state in state_dict

    def __init__(
        self,
        optimizer: Optimizer,
        named_parameters: Iterable[tuple[str, Tensor]],
        defaults: dict[str, Any],
        **where: Unpack[Where],
    ) -> None:
        if isinstance(optimizer, torch.optim.LBFGS):
            raise ValueError("LBFGS calls its closure itself and cannot be wrapped; take another optimizer")
        self.inner = optimizer
        self._names = names_of(named_parameters)
        self._excluded = excluded(self._names.values(), where.get("exclude", ()))
        self._anchors = read_anchor(where.get("anchor"))
        self._copies = (where.get("anchor_dtype"), where.get("anchor_device"))
        self._held: list[Held] = []
        super().__init__(optimizer.param_groups, defaults)
        self.param_groups = optimizer.param_groups  # one list: rates and strengths are those of both

    def add_param_group(
        self, param_group: dict[str, Any], named_parameters: Iterable[tuple[str, Tensor]] = ()
    ) -> None:
        """Also in mid-training: the anchor of a new parameter is its value now, or the one given.

        `named_parameters` names what the constructor did not know yet.
        """
        self._names |= names_of(named_parameters)
        numbers = [i for i, group in enumerate(self.inner.param_groups) if group is param_group]
        if not numbers:
            self.inner.add_param_group(param_group)
            numbers = [len(self.inner.param_groups) - 1]
        for name, value in self.defaults.items():
            param_group.setdefault(name, value)
        new = held(param_group, numbers[0], self._names, self._excluded, self._anchors, *self._copies)
        for one in new:
            if one.copied and one.anchor is not None:
                self.state[one.parameter]["anchor"] = one.anchor
        self._held += new

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of the optimizer, and what the constraint does before and after it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        active = [one for one in self._held if one.parameter.grad is not None]
        for one in active:
            if one.parameter.grad is not None and one.parameter.grad.is_sparse:
                raise ValueError(
                    f"{one.name} has a sparse gradient, whose rows cannot be followed; exclude it, or make "
                    "its layer with sparse=False"
                )
        with torch.no_grad():
            self._before(active)
            self.inner.step()
            self._after(active)
        return loss

    def _before(self, active: list[Held]) -> None:
        """What is done with gradients and parameters before the optimizer's own step."""

    def _after(self, active: list[Held]) -> None:
        """What is done with the parameters that the optimizer's own step has left."""

    def strength(self, one: Held, name: str) -> float:
        return float(self.param_groups[one.group][name])

    def state_dict(self) -> dict[str, Any]:
        """That of the inner optimizer, and beside each parameter's state the constraint's own."""
        found = self.inner.state_dict()
        for number, parameter in enumerate(self._parameters()):
            own = {f"{self.label}.{name}": value for name, value in self.state.get(parameter, {}).items()}
            if own:
                found["state"][number] = {**found["state"].get(number, {}), **own}
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on as the optimizer that wrote it would have: bit for bit.

        Raises ValueError if it was written with another anchor than a copy, and this one has copied.
        """
        prefix = f"{self.label}."
        inner, own = {}, {}
        for number, values in state_dict["state"].items():
            own[number] = {n.removeprefix(prefix): v for n, v in values.items() if n.startswith(prefix)}
            rest = {name: value for name, value in values.items() if not name.startswith(prefix)}
            if rest:
                inner[number] = rest
        by_parameter = {one.parameter: one for one in self._held}
        parameters = list(self._parameters())
        for number, values in own.items():
            one = by_parameter.get(parameters[number]) if number < len(parameters) else None
            if one and values and one.copied and "anchor" not in values:
                raise ValueError(
                    f"this state of {one.name} was written with an anchor that was given; give the same one"
                )
        self.inner.load_state_dict({**state_dict, "state": inner})
        self.param_groups = self.inner.param_groups
        for number, values in own.items():
            self._take_over(by_parameter.get(parameters[number]), values)

    def _take_over(self, one: Held | None, values: dict[str, Any]) -> None:
        if one is None:
            return
        state = self.state[one.parameter]
        for name, value in values.items():
            if name == "anchor" and one.anchor is not None and one.copied:
                one.anchor.copy_(value)
            elif name != "anchor" and isinstance(value, Tensor):
                device = "cpu" if name == "step" else one.parameter.device
                state[name] = value.detach().to(device, copy=True)

    def _parameters(self) -> Iterable[Tensor]:
        return (parameter for group in self.param_groups for parameter in group["params"])
