"""What all constraints share: they wrap an optimizer, and are one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypedDict, Unpack

import torch
from torch import Tensor
from torch.optim import Optimizer

from anchorline.constraints.anchors import Anchor, Held, excluded, held, matching, names_of, read_anchor

_OF_ANCHORS = {"anchor", "given"}
_COUNTS = {"step", "taken"}  # stay on the CPU, where nobody waits for them


class AnchorOptions(TypedDict, total=False):
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
        where: what is held, and to what: see `AnchorOptions`.

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
        **where: Unpack[AnchorOptions],
    ) -> None:
        if isinstance(optimizer, torch.optim.LBFGS):
            raise ValueError("LBFGS calls its closure itself and cannot be wrapped; take another optimizer")
        self.inner = optimizer
        self._names = names_of(named_parameters)
        self._patterns = where.get("exclude", ())
        self._excluded = excluded(self._names.values(), self._patterns)
        self._anchors = read_anchor(where.get("anchor"))
        self._copies = (where.get("anchor_dtype"), where.get("anchor_device"))
        self._held: list[Held] = []
        # Schedulers look among the defaults for what they may drive ("betas", "momentum").
        super().__init__(optimizer.param_groups, {**optimizer.defaults, **defaults})
        self.param_groups = optimizer.param_groups  # one list: rates and strengths are those of both

    def add_param_group(
        self, param_group: dict[str, Any], named_parameters: Iterable[tuple[str, Tensor]] = ()
    ) -> None:
        """Also in mid-training: the anchor of a new parameter is its value now, or the one given.

        `named_parameters` names what the constructor did not know yet.
        """
        named = names_of(named_parameters)
        self._names |= named
        self._excluded |= matching(named.values(), self._patterns)
        numbers = [i for i, group in enumerate(self.inner.param_groups) if group is param_group]
        if not numbers:
            self.inner.add_param_group(param_group)
        number = numbers[0] if numbers else len(self.inner.param_groups) - 1
        try:
            new = held(param_group, number, self._names, self._excluded, self._anchors, *self._copies)
        except ValueError:
            if not numbers:
                self.inner.param_groups.pop()
            raise
        for name, value in self.defaults.items():
            param_group.setdefault(name, value)
        self._held += new

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of the optimizer, and what the constraint does before and after it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        active = [one for one in self._held if one.parameter.grad is not None]
        for one in active:
            one.follow(self._copies[1])
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

    def state_dict(self) -> dict[str, Any]:
        """That of the inner optimizer, and beside each parameter's state the constraint's own."""
        found = self.inner.state_dict()
        held_of = {one.parameter: one for one in self._held}
        for number, parameter in enumerate(self._parameters()):
            if one := held_of.get(parameter):
                # A copied anchor, or that it is to be given.
                anchor = {"anchor": one.anchor} if one.copied else {"given": torch.tensor(True)}
                own = {f"{self.label}.{n}": v for n, v in {**self.state.get(parameter, {}), **anchor}.items()}
                found["state"][number] = {**found["state"].get(number, {}), **own}
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on as the optimizer that wrote it would have: bit for bit.

        That of a plain optimizer will do: then the constraint starts afresh. Raises ValueError if it was
        written with another anchor than a copy, and this one has copied.
        """
        prefix = f"{self.label}."
        inner, own = {}, {}
        for key, values in state_dict["state"].items():
            own[key] = {n.removeprefix(prefix): v for n, v in values.items() if n.startswith(prefix)}
            rest = {name: value for name, value in values.items() if not name.startswith(prefix)}
            if rest:
                inner[key] = rest
        # The groups tell whose state it is; torch.distributed.checkpoint writes names instead of numbers.
        saved = [key for group in state_dict["param_groups"] for key in group["params"]]
        pairs = zip(saved, self._parameters(), strict=False)  # the inner optimizer refuses other groups
        values_of = {parameter: own.get(key, {}) for key, parameter in pairs}
        for one in self._held:
            self._check(one, values_of.get(one.parameter, {}))
        before = self.param_groups
        self.inner.load_state_dict({**state_dict, "state": inner})
        self.param_groups = self.inner.param_groups
        for group, old in zip(self.param_groups, before, strict=True):
            for name in (*self.defaults, "anchor"):  # a plain optimizer's state has no strengths
                if name in old:
                    group.setdefault(name, old[name])
        for one in self._held:
            self._take_over(one, values_of.get(one.parameter, {}))

    def _check(self, one: Held, values: dict[str, Any]) -> None:
        """Raises ValueError if it cannot go on from these values of a state."""
        if values and one.copied and "anchor" not in values:
            raise ValueError(
                f"this state of {one.name} was written with an anchor that was given; give the same one"
            )

    def _take_over(self, one: Held, values: dict[str, Any]) -> None:
        """Nothing is left of the state before but where the anchor lies."""
        if one.copied and one.anchor is not None and "anchor" in values:
            one.anchor.copy_(values["anchor"])
        self.state.pop(one.parameter, None)
        for name in values.keys() - _OF_ANCHORS:
            device = "cpu" if name in _COUNTS else one.parameter.device
            self.state[one.parameter][name] = values[name].detach().to(device, copy=True)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()  # what Optimizer keeps is not enough to copy or pickle this one

    def _parameters(self) -> Iterable[Tensor]:
        return (parameter for group in self.param_groups for parameter in group["params"])
