"""Gradients that are late, missing or refused."""

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from anchorline.constraints import FTP
from tests.helpers.constrained import (
    assert_near,
    assert_same_bits,
    constrain,
    made,
    noise,
    parameters,
    train,
    values,
)
from tests.helpers.held import (
    HEADS,
    each,
    each_variant,
    load,
    only,
    path,
    through_a_file,
)


@each_variant
def test_a_late_gradient_is_a_late_start(kind, more):
    """Until it comes the parameter stays; then it goes its own way, and the others have gone theirs."""
    named = parameters()
    optimizer = made(kind, named, **more)
    start = values(named)
    train(optimizer, named, range(2), without={"scale", "body.weight"})
    assert_same_bits(only(named, "scale", "body.weight"), only(start, "scale", "body.weight"))
    train(optimizer, named, range(2, 6))
    assert not torch.equal(named["scale"], start["scale"])

    punctual = only(parameters(), "conv.weight", *HEADS)
    expected = path(kind, punctual, range(6), **more)
    assert_near(only(named, *punctual), expected, 1e-9)
    if kind != "tpgm":  # counts its steps from the first
        late = only(parameters(), "scale", "body.weight")
        assert_near(only(named, *late), path(kind, late, range(2, 6), **more), 1e-9)


@each_variant
def test_parameters_without_gradient_stay_as_they_are(kind, more):
    named = parameters()
    named["conv.weight"].requires_grad_(False)
    optimizer = made(kind, named, **more)
    start = values(named)
    train(optimizer, named, range(4), without={"body.weight"})
    for name, parameter in named.items():
        assert torch.equal(parameter, start[name]) == (name in {"conv.weight", "body.weight"})


@each_variant
def test_a_frozen_parameter_in_the_optimizer_stays_as_it_is(kind, more):
    named = parameters()
    optimizer = made(kind, named, **more)
    train(optimizer, named, range(2))
    named["conv.weight"].requires_grad_(False)
    frozen = named["conv.weight"].detach().clone()
    train(optimizer, named, range(2, 5))
    assert torch.equal(named["conv.weight"], frozen)


@each_variant
def test_no_gradient_at_all_is_no_error(kind, more):
    named = parameters()
    start = values(named)
    train(made(kind, named, **more), named, range(2), without=named)
    assert_same_bits(values(named), start)


class Twice(nn.Module):
    """One weight under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False, dtype=torch.float64)
        self.second = nn.Linear(4, 4, bias=False, dtype=torch.float64)
        self.second.weight = self.first.weight
        self.first.weight.data = noise("tied", 0, self.first.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))


@each_variant
def test_a_shared_parameter_is_held_once(kind, more):
    model = Twice()
    named = dict(model.named_parameters(remove_duplicate=False))
    start = values(named)
    x = noise("x", 0, torch.empty(8, 4, dtype=torch.float64))
    optimizer = made(kind, only(named, "first.weight"), **more)
    alone = {"first.weight": nn.Parameter(start["first.weight"].clone())}
    other = made(kind, alone, **more)
    for _ in range(4):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        alone["first.weight"].grad = model.first.weight.grad.clone()
        optimizer.step()
        other.step()
    assert model.second.weight is model.first.weight
    assert_same_bits({"first.weight": model.second.weight.detach()}, values(alone))


def test_a_shared_parameter_has_one_anchor():
    model = Twice()
    both_names = model.named_parameters(remove_duplicate=False)
    optimizer = FTP(SGD(model.parameters(), lr=0.1), both_names)
    assert len(optimizer.state_dict()["state"]) == 1
    model(torch.ones(1, 4, dtype=torch.float64)).sum().backward()
    optimizer.step()
    assert list(optimizer.radii()) == ["first.weight"]


@each_variant
def test_tensors_without_elements_or_dimensions(kind, more):
    shapes = {"scalar": (), "none": (0,), "no rows": (0, 3), "no columns": (3, 0), "one": (1,), "row": (1, 1)}
    named = parameters(shapes)
    optimizer = made(kind, named, **more)
    train(optimizer, named, range(3))
    state = through_a_file(optimizer.state_dict())
    again = parameters(shapes)
    load(again, values(named))
    resumed = made(kind, again, **more)
    resumed.load_state_dict(state)
    for one, its in ((optimizer, named), (resumed, again)):
        train(one, its, range(3, 6))
    assert_same_bits(again, named)
    alone = path(kind, only(parameters(shapes), "scalar"), range(6), **more)
    assert_near(only(named, "scalar"), alone, 1e-12)


@each_variant
def test_channels_last_is_a_layout_only(kind, more):
    named = parameters()
    named["conv.weight"].data = named["conv.weight"].data.to(memory_format=torch.channels_last)
    assert_near(path(kind, named, **more), path(kind, parameters(), **more), 1e-10)
    assert named["conv.weight"].is_contiguous(memory_format=torch.channels_last)


@each
def test_complex_parameters_are_refused_unless_excluded(kind):
    named = parameters({"real": (3,), "wave": (3,)})
    named["wave"] = nn.Parameter(torch.zeros(3, dtype=torch.complex64))
    with pytest.raises(ValueError, match=r"wave is complex.*exclude it"):
        made(kind, named)
    made(kind, named, exclude=["wave"])


@each
def test_sparse_gradients_are_refused_unless_excluded(kind):
    table = nn.Embedding(5, 3, sparse=True)
    named = dict(table.named_parameters())
    start = values(named)
    for exclude in ((), ("weight",)):
        optimizer = constrain(kind, SGD(named.values(), lr=0.1), named, exclude=exclude)
        table(torch.tensor([1, 2])).sum().backward()
        if exclude:
            optimizer.step()
            assert not torch.equal(table.weight, start["weight"])
        else:
            with pytest.raises(ValueError, match=r"weight has a sparse gradient.*exclude it"):
                optimizer.step()
            assert_same_bits(values(named), start)
