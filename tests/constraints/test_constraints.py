"""What every constraint keeps to, around any optimizer; and the formula of each, written out plainly."""

import copy
import io
import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import LBFGS, SGD, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from anchorline.constraints import FTP, by_depth, deviation, project
from anchorline.constraints import foreach as batches
from anchorline.constraints.base import Constrained
from tests.helpers.constrained import (
    CLASSES,
    INNER,
    STRENGTHS,
    Named,
    anchor_of,
    assert_near,
    assert_same_bits,
    constrain,
    give_gradients,
    made,
    noise,
    parameters,
    train,
    validation,
    values,
)

T = TypeVar("T", bound=Tensor)
KINDS = tuple(CLASSES)
HEADS = ("head.weight", "head.bias")
BODY = ("conv.weight", "body.weight", "scale")
each = pytest.mark.parametrize("kind", KINDS)
around = pytest.mark.parametrize("inner", list(INNER))


@pytest.fixture(params=[2**16, 30], ids=["whole", "in pieces"])
def pieces(request, monkeypatch) -> None:
    monkeypatch.setitem(batches._PIECE, "cpu", request.param)


def path(kind: str, named: Named, steps: range = range(4), **more: object) -> dict[str, Tensor]:
    """Where the parameters are after the steps."""
    train(made(kind, named, **more), named, steps)
    return values(named)


def unheld(
    inner: str = "adamw", steps: range = range(4), dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Where they are without a constraint."""
    named = parameters(dtype=dtype)
    train(INNER[inner](named.values()), named, steps)
    return values(named)


def assert_all_differ(found: dict[str, Tensor] | Named, other: dict[str, Tensor]) -> None:
    assert not any(torch.equal(tensor, other[name]) for name, tensor in found.items())


def only(found: Mapping[str, T], *names: str) -> dict[str, T]:
    return {name: found[name] for name in names}


# ---- formulas


@around
@pytest.mark.parametrize(
    ("kind", "more"),
    [("spd", {}), ("l2-sp", {}), ("l2-sp", {"decoupled": True}), ("mars-sp", {})],
    ids=["spd", "l2-sp", "l2-sp decoupled", "mars-sp"],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_no_strength_is_the_inner_optimizer_bit_for_bit(kind, more, inner, dtype):
    held = path(kind, parameters(dtype=dtype), inner=inner, strength=0.0, **more)
    assert_same_bits(held, unheld(inner, dtype=dtype))


def rows(tensor: Tensor) -> Tensor:
    """[R, N]; a tensor of one dimension or none is one row."""
    return tensor.flatten(1) if tensor.ndim > 1 else tensor.reshape(1, -1)


PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {
    "l2-sp": lambda c: 0.5 / 2 * c.square().sum(),
    "mars-sp": lambda c: 0.5 * rows(c).abs().sum(1).max(),
}


@around
@pytest.mark.parametrize("kind", PENALTIES)
def test_a_penalty_is_its_gradient(kind, inner, pieces):
    start, free = parameters(), parameters()
    optimizer = INNER[inner](free.values())
    for step in range(5):
        give_gradients(free, step)
        for name, parameter in free.items():
            PENALTIES[kind](parameter - start[name].detach()).backward()
        optimizer.step()
    assert_near(path(kind, parameters(), range(5), inner=inner), free, 1e-12)


@around
def test_decoupled_l2_sp_decays_to_the_anchor(inner, pieces):
    start, free = values(parameters()), parameters()
    optimizer = INNER[inner](free.values())
    for step in range(5):
        for name, parameter in free.items():
            parameter.data -= optimizer.param_groups[0]["lr"] * 0.5 * (parameter.data - start[name])
        train(optimizer, free, [step])
    assert_near(path("l2-sp", parameters(), range(5), inner=inner, decoupled=True), free, 1e-12)


def spd_by_hand(name: str, start: Tensor, inner: str, strength: float, steps: int) -> Tensor:
    theta = nn.Parameter(start.clone())
    optimizer = INNER[inner]([theta])
    for step in range(steps):
        before, g = theta.detach() - start, noise(name, step, theta)
        theta.grad = g.clone()
        optimizer.step()
        after = theta.detach() - start
        if -(g * before).sum() < 0:
            r = ((after.norm() - before.norm()) / after.norm()).clamp(0, 1)
            theta.data -= strength * r * after
    return theta.detach()


@around
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_spd_by_hand(strength, inner, pieces):
    expected = {n: spd_by_hand(n, p, inner, strength, 8) for n, p in values(parameters()).items()}
    assert_near(path("spd", parameters(), range(8), inner=inner, strength=strength), expected, 1e-12)
    assert_all_differ(expected, unheld(inner, range(8)))


def tpgm_by_hand(name: str, start: Tensor, norm: str, rate: float, steps: int) -> tuple[Tensor, float]:
    """Every two steps, two validation batches; the radius' gradient comes from autograd."""
    theta = nn.Parameter(start.clone())
    optimizer = INNER["sgd"]([theta])
    radius, m, v, t = None, 0.0, 0.0, 0
    for step in range(steps):
        theta.grad = noise(name, step, theta)
        optimizer.step()
        if step % 2 == 0:
            continue
        c = rows(theta.detach() - start)
        n = (c.abs().sum(1, keepdim=True) if norm == "mars" else c.norm()) + 1e-8
        radius = (n.min() / 2 if radius is None else radius).clamp(1e-8, n.max())
        for _ in range(2):
            gamma = radius.clone().requires_grad_()
            projected = start + (F.hardtanh(gamma / n, 0, 1) * c).view_as(start)
            (g,) = torch.autograd.grad(validation({name: projected}), gamma)
            m, v, t = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2, t + 1
            step_of_adam = m / (1 - 0.9**t) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
            radius = (radius - rate * step_of_adam).clamp(1e-8, n.max())
        theta.data = start + ((radius / n).clamp(0, 1) * c).view_as(start)
    return theta.detach(), float(radius)


@pytest.mark.parametrize("rate", [1e-2, 0.3])  # the high one drives radii to the largest norm
@pytest.mark.parametrize("norm", ["mars", "l2"])
def test_tpgm_by_hand(norm, rate, pieces):
    named = parameters()
    expected = {n: tpgm_by_hand(n, p, norm, rate, 9) for n, p in values(named).items()}
    optimizer = made("tpgm", named, "sgd", norm=norm, radius_lr=rate)
    assert optimizer.radii() == {}
    train(optimizer, named, range(9))
    assert_near(named, {name: theta for name, (theta, _) in expected.items()}, 1e-12)
    assert optimizer.radii() == pytest.approx({name: gamma for name, (_, gamma) in expected.items()})
    if rate == 1e-2:
        assert_all_differ(named, unheld("sgd", range(9)))


def test_tpgm_leaves_no_gradient_of_validation_images():
    named = parameters()
    train(made("tpgm", named), named, range(2))
    assert all(parameter.grad is None for parameter in named.values())


@pytest.mark.parametrize("wrong", [{"every": 0}, {"iterations": 0}, {"norm": "l1"}])
def test_tpgm_refuses_settings_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))}=.*: give "):
        made("tpgm", parameters(), **wrong)


# ---- saved and gone on


def through_a_file(state: dict[str, object]) -> dict[str, object]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


VARIANTS = [
    *[(kind, {}) for kind in KINDS],
    ("ftp", {"exact": True}),
    ("ftp", {"foreach": False}),
    ("l2-sp", {"decoupled": True}),
    ("tpgm", {"norm": "l2", "every": 3}),
]
each_variant = pytest.mark.parametrize(
    ("kind", "more"), VARIANTS, ids=lambda v: v if isinstance(v, str) else " ".join(map(str, v.values()))
)


@each_variant
@around
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("built_on", ["first weights", "trained weights"])
def test_going_on_from_a_file_is_bit_exact(kind, more, inner, dtype, built_on):
    late = {"scale"}  # has its first gradient after the file was written
    named = parameters(dtype=dtype)
    optimizer = made(kind, named, inner, **more)
    train(optimizer, named, range(3), without=late)
    weights, state = values(named), through_a_file(optimizer.state_dict())
    train(optimizer, named, range(3, 7))

    again = parameters(dtype=dtype)
    if built_on == "trained weights":
        load(again, weights)
    resumed = made(kind, again, inner, **more)
    load(again, weights)
    resumed.load_state_dict(state)
    train(resumed, again, range(3, 7))
    assert_same_bits(again, named)


@each_variant
def test_a_state_by_names_loads(kind, more):
    """As torch.distributed.checkpoint writes it, and torch's own optimizers take it."""
    named = parameters()
    optimizer = made(kind, named, **more)
    train(optimizer, named, range(3))
    weights, state = values(named), through_a_file(optimizer.state_dict())
    names = list(named)
    state["state"] = {names[number]: own for number, own in state["state"].items()}
    (group,) = state["param_groups"]
    group["params"] = [names[number] for number in group["params"]]
    train(optimizer, named, range(3, 6))

    again = parameters()
    resumed = made(kind, again, **more)
    load(again, weights)
    resumed.load_state_dict(state)
    train(resumed, again, range(3, 6))
    assert_same_bits(again, named)


def load(named: Named, weights: dict[str, Tensor]) -> None:
    for name, tensor in weights.items():
        named[name].data.copy_(tensor)


@each_variant
def test_a_state_replaces_all_that_came_after_it(kind, more):
    """Back to an earlier file in the same process: nothing of the later steps is left."""
    late = {"scale"}
    named = parameters()
    optimizer = made(kind, named, **more)
    train(optimizer, named, [0], without=late)
    weights, state = values(named), through_a_file(optimizer.state_dict())
    train(optimizer, named, range(1, 5))
    end = values(named)
    load(named, weights)
    optimizer.load_state_dict(state)
    train(optimizer, named, range(1, 5))
    assert_same_bits(values(named), end)


@each
def test_writing_a_state_changes_nothing(kind):
    named, other = parameters(), parameters()
    optimizer = made(kind, named)
    for step in range(4):
        train(optimizer, named, [step])
        optimizer.state_dict()
    assert_same_bits(values(named), path(kind, other))


@each
def test_a_plain_state_loads_and_the_constraint_starts_afresh(kind):
    """Fine-tuned for a while without a constraint: its weights are the anchor from now on."""
    plain = parameters()
    inner = INNER["adamw"](plain.values())
    train(inner, plain, range(3))

    named = parameters()
    load(named, values(plain))
    optimizer = made(kind, named)
    optimizer.load_state_dict(through_a_file(inner.state_dict()))
    assert optimizer.param_groups[0][STRENGTHS[kind]] == optimizer.defaults[STRENGTHS[kind]]
    train(optimizer, named, range(3, 6))

    train(constrain(kind, inner, plain), plain, range(3, 6))
    assert_same_bits(named, plain)


@each
def test_a_state_of_a_given_anchor_is_refused_by_one_that_copies(kind):
    named = parameters()
    given = made(kind, named, anchor=values(named))
    train(given, named, range(2))
    with pytest.raises(ValueError, match=r"state of conv\.weight was written with an anchor that was given"):
        made(kind, parameters()).load_state_dict(given.state_dict())


@each
def test_a_given_anchor_is_given_again(kind):
    anchor = {name: tensor + 0.1 for name, tensor in values(parameters(dtype=torch.float32)).items()}
    named = parameters(dtype=torch.float32)
    optimizer = made(kind, named, anchor=anchor)
    train(optimizer, named, range(3))
    weights, state = values(named), through_a_file(optimizer.state_dict())
    train(optimizer, named, range(3, 6))
    assert sum(v.numel() for own in state["state"].values() for v in own.values()) < 2.2 * size(named)

    again = parameters(dtype=torch.float32)
    load(again, weights)
    resumed = made(kind, again, anchor=anchor)
    resumed.load_state_dict(state)
    train(resumed, again, range(3, 6))
    assert_same_bits(again, named)


def size(named: Named) -> int:
    return sum(parameter.numel() for parameter in named.values())


@each
def test_a_copy_goes_the_same_way(kind):
    if kind == "tpgm":
        pytest.skip("its validation belongs to one model")
    named = parameters()
    optimizer = made(kind, named)
    train(optimizer, named, range(2))
    twin_named, twin = copy.deepcopy((named, optimizer))
    for own, its in ((named, optimizer), (twin_named, twin)):
        train(its, own, range(2, 5))
    assert_same_bits(named, twin_named)


@each
def test_parameters_are_no_anchor_of_themselves(kind):
    named = parameters()
    with pytest.raises(ValueError, match=r"the anchor of conv\.weight is the parameter itself"):
        made(kind, named, anchor={name: p.detach() for name, p in named.items()})


@pytest.mark.parametrize("exact", [False, True])
def test_a_state_of_ftp_knows_whether_it_was_exact(exact):
    named = parameters(dtype=torch.float32)
    optimizer = made("ftp", named, exact=exact)
    train(optimizer, named, range(2))
    with pytest.raises(ValueError, match=r"state of conv\.weight was written with another value of exact"):
        made("ftp", parameters(dtype=torch.float32), exact=not exact).load_state_dict(optimizer.state_dict())


# ---- gradients that are late, missing or refused


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


# ---- what is held, and what the optimizer may be


@each
def test_what_is_excluded_goes_free(kind):
    found = path(kind, parameters(), exclude=("head.*",))
    assert_same_bits(only(found, *HEADS), only(unheld(), *HEADS))
    held = only(parameters(), *BODY)
    assert_near(only(found, *held), path(kind, held), 1e-10)


@each
@pytest.mark.parametrize(
    ("exclude", "sentence"),
    [
        (["head.*", "decoder.*"], r"'decoder\.\*' in exclude matches no parameter; .* conv\.weight"),
        ("head.*", r"exclude must be a list of patterns, not the text 'head\.\*'; write \['head\.\*'\]"),
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(kind, exclude, sentence):
    with pytest.raises(ValueError, match=sentence):
        made(kind, parameters(), exclude=exclude)


@each
def test_a_parameter_without_a_name_is_refused(kind):
    named = parameters()
    with pytest.raises(ValueError, match=r"shape \(6,\) that named_parameters lacks"):
        constrain(kind, SGD(named.values(), lr=0.1), {n: p for n, p in named.items() if n != "head.bias"})


@each
def test_lbfgs_is_refused(kind):
    named = parameters()
    with pytest.raises(ValueError, match="LBFGS calls its closure itself"):
        constrain(kind, LBFGS(list(named.values())), named)


@each
@pytest.mark.parametrize(
    ("anchor", "sentence"),
    [
        ({}, "the anchor has no tensor for conv.weight"),
        ({"conv.weight": torch.zeros(3)}, r"the anchor of conv.weight has shape \(3,\), not \(4, 3, 3, 3\)"),
    ],
)
def test_an_anchor_that_does_not_fit_is_refused(kind, anchor, sentence):
    with pytest.raises(ValueError, match=sentence):
        made(kind, parameters(), anchor=anchor)


@each
def test_a_closure_is_called_once_with_gradients_on(kind):
    closed, plain = parameters(), parameters()
    optimizer, other = made(kind, closed), made(kind, plain)
    calls = []

    def closure() -> Tensor:
        calls.append(1)
        optimizer.zero_grad()
        loss = validation(closed)
        loss.backward()
        return loss

    for step in range(4):
        expected = validation(closed).detach()
        assert torch.equal(optimizer.step(closure), expected)
        assert len(calls) == step + 1
        other.zero_grad()
        validation(plain).backward()
        assert other.step() is None
    assert_same_bits(values(closed), values(plain))


# ---- groups


def grouped(kind: str, named: Named, heads: dict[str, object], **more: object) -> Constrained:
    """The heads in a group with settings of its own."""
    groups = [
        {"params": [named[name] for name in BODY]},
        {"params": [named[name] for name in HEADS], **heads},
    ]
    return constrain(kind, INNER["adamw"](groups), named, **more)


@each
def test_a_group_without_anchor_goes_free(kind):
    named = parameters()
    optimizer = grouped(kind, named, {"anchor": None}, anchor=only(values(named), *BODY))
    train(optimizer, named, range(4))
    assert_same_bits(only(named, *HEADS), only(unheld(), *HEADS))


@each_variant
def test_a_group_with_anchor_zero_is_held_to_zeros(kind, more):
    named, plain = parameters(), parameters()
    optimizer = grouped(kind, named, {"anchor": "zero"}, **more)
    train(optimizer, named, range(6))
    zeros = {name: torch.zeros_like(p) for name, p in only(plain, *HEADS).items()}
    other = made(kind, plain, anchor=values(plain) | zeros, **more)
    train(other, plain, range(6))
    assert_near(values(named), values(plain), 1e-9)
    kept = [optimizer.state[p].get("anchor") for name, p in named.items() if name.startswith("head")]
    assert kept == [None, None]


@each
def test_other_anchors_of_a_group_are_refused(kind):
    with pytest.raises(ValueError, match=r"""anchor is None .* or "zero", not 'one'"""):
        grouped(kind, parameters(), {"anchor": "one"})


@each
def test_each_group_has_a_strength_of_its_own(kind):
    named = parameters()
    train(grouped(kind, named, {STRENGTHS[kind]: 0.125}), named, range(6))
    weak = path(kind, parameters(), range(6), **{STRENGTHS[kind]: 0.125})
    usual = path(kind, parameters(), range(6))
    assert_near(only(named, *HEADS), only(weak, *HEADS), 1e-10)
    assert_near(only(named, "conv.weight", "scale"), only(usual, "conv.weight", "scale"), 1e-10)
    assert not torch.equal(weak["head.weight"], usual["head.weight"])


def with_heads_added(kind: str, start: Named, steps: range, **more: object) -> tuple[Constrained, Named]:
    """After some steps without heads, which then come with a rate of their own."""
    named = only(start, *BODY)
    optimizer = made(kind, named, **more)
    train(optimizer, named, steps)
    added = only(start, *HEADS)
    named.update(added)
    optimizer.add_param_group({"params": list(added.values()), "lr": 3e-2}, added.items())
    return optimizer, named


@each_variant
def test_a_group_added_in_mid_training_starts_where_it_is(kind, more):
    optimizer, named = with_heads_added(kind, parameters(), range(2), **more)
    assert torch.equal(anchor_of(optimizer, named["head.weight"]), named["head.weight"])
    train(optimizer, named, range(2, 7))
    assert_near(only(named, *BODY), path(kind, only(parameters(), *BODY), range(7), **more), 1e-9)
    if more.get("every") != 3:  # TPGM counts from the first group's first step
        alone = only(parameters(), *HEADS)
        other = constrain(kind, AdamW(alone.values(), lr=3e-2, weight_decay=0.1), alone, **more)
        train(other, alone, range(2, 7))
        assert_near(only(named, *HEADS), alone, 1e-9)


@each_variant
def test_a_state_with_an_added_group_goes_on(kind, more):
    optimizer, named = with_heads_added(kind, parameters(), range(2), **more)
    train(optimizer, named, range(2, 5))
    weights, state = values(named), through_a_file(optimizer.state_dict())
    train(optimizer, named, range(5, 8))
    resumed, again = with_heads_added(kind, parameters(), range(0), **more)
    load(again, weights)
    resumed.load_state_dict(state)
    train(resumed, again, range(5, 8))
    assert_same_bits(again, named)


@each
def test_patterns_hold_for_parameters_that_are_added(kind):
    named = parameters()
    optimizer = made(kind, only(named, "head.weight", "body.weight"), exclude=("head.*",))
    optimizer.add_param_group({"params": [named["head.bias"]]}, named.items())
    train(optimizer, named, range(4))
    assert_same_bits(only(named, *HEADS), only(unheld(), *HEADS))


@each
def test_an_added_parameter_needs_a_name(kind):
    named = parameters()
    optimizer = made(kind, only(named, "body.weight"))
    group = {"params": [named["scale"]]}
    with pytest.raises(ValueError, match="that named_parameters lacks"):
        optimizer.add_param_group(group)
    optimizer.add_param_group(group, named.items())
    assert len(optimizer.param_groups) == len(optimizer.inner.param_groups) == 2


# ---- anchors


@each
def test_an_anchor_may_be_a_file(kind, tmp_path):
    anchor = {name: tensor + 0.01 for name, tensor in values(parameters()).items()}
    save_file(anchor, tmp_path / "anchor.safetensors")
    expected = path(kind, parameters(), anchor=anchor)
    for written in (tmp_path / "anchor.safetensors", str(tmp_path / "anchor.safetensors")):
        assert_same_bits(path(kind, parameters(), anchor=written), expected)


@each_variant
def test_an_anchor_in_half_precision_is_where_the_weights_are_held(kind, more):
    half = {name: tensor.bfloat16() for name, tensor in values(parameters()).items()}
    expected = path(kind, parameters(), anchor={n: t.double() for n, t in half.items()}, **more)
    assert_near(path(kind, parameters(), anchor=half, **more), expected, 1e-12)

    named = parameters()
    optimizer = made(kind, named, anchor_dtype=torch.bfloat16, anchor_device="cpu", **more)
    train(optimizer, named, range(4))
    assert_near(values(named), expected, 1e-12)
    assert all(anchor_of(optimizer, p).dtype == torch.bfloat16 for p in named.values())
    assert all(anchor_of(optimizer, p).device.type == "cpu" for p in named.values())


@each
@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_prefixes_of_wrappers_do_not_matter(kind, wrapper):
    anchor = {name: tensor + 0.01 for name, tensor in values(parameters()).items()}
    expected = path(kind, parameters(), exclude=("head.*",), anchor=anchor)
    for prefix, other in ((wrapper, ""), ("", wrapper), (wrapper, wrapper)):
        named = parameters()
        wrapped = {prefix + name: parameter for name, parameter in named.items()}
        optimizer = constrain(
            kind, INNER["adamw"](named.values()), wrapped,
            exclude=("head.*",), anchor={other + name: tensor for name, tensor in anchor.items()},
            **({"validation": lambda named=named: validation(named)} if kind == "tpgm" else {}),
        )  # fmt: skip
        train(optimizer, named, range(4))
        assert_same_bits(values(named), expected)


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_wrappers_of_torch_are_known(wrap):
    model = nn.Sequential(nn.Linear(2, 2))
    optimizer = FTP(SGD(model.parameters(), lr=0.1), wrap(model).named_parameters(), exclude=["0.bias"])
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert list(optimizer.radii()) == ["0.weight"]


# ---- what stands around an optimizer


@each
def test_cosine_rates_drive_the_inner_optimizer(kind):
    named = parameters()
    optimizer = made(kind, named)
    schedule = CosineAnnealingLR(optimizer, T_max=4)
    for step in range(1, 5):
        train(optimizer, named, [step])
        schedule.step()
        expected = 1e-2 * (1 + math.cos(math.pi * step / 4)) / 2
        assert optimizer.inner.param_groups[0]["lr"] == pytest.approx(expected, abs=1e-9)
    optimizer.load_state_dict(optimizer.state_dict())
    schedule.step()
    assert optimizer.inner.param_groups[0]["lr"] > 1e-4  # on the way up again


@around
@each
def test_one_cycle_drives_rates_and_momentum(kind, inner):
    held, free = parameters(), parameters()
    both = [made(kind, held, inner), INNER[inner](free.values())]
    seen: list[list[object]] = [[], []]
    for optimizer, named, told in zip(both, (held, free), seen, strict=True):
        schedule = OneCycleLR(optimizer, max_lr=0.1, total_steps=6)
        for step in range(5):
            train(optimizer, named, [step])
            schedule.step()
            group = optimizer.param_groups[0]
            told.append((group["lr"], group["betas"] if inner == "adamw" else group["momentum"]))
    assert seen[0] == seen[1]
    assert both[0].inner.param_groups is both[0].param_groups


@each
def test_a_gradient_scaler_skips_a_step_with_infinite_gradients(kind):
    named, plain = parameters(dtype=torch.float32), parameters(dtype=torch.float32)
    optimizer, other = made(kind, named), made(kind, plain)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=1000)
    scaler.scale(torch.ones(()))
    for step in range(6):
        give_gradients(named, step)
        for parameter in named.values():
            parameter.grad *= scaler.get_scale()
        if step == 3:
            named["conv.weight"].grad[0, 0, 0, 0] = torch.inf
        before = values(named)
        scaler.step(optimizer)
        scaler.update()
        if step == 3:
            assert_same_bits(values(named), before)
            assert scaler.get_scale() == 2.0**9
        else:
            train(other, plain, [step])
    assert_same_bits(named, plain)


@each
def test_accelerate_prepares_it(kind):
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.ParameterDict({n.replace(".", "_"): p for n, p in parameters().items()})

        def forward(self) -> Tensor:
            return validation(dict(self.weights))

    ends = []
    for prepared in (False, True):
        model = Model()
        named = dict(model.weights)
        optimizer = made(kind, named)
        accelerator = Accelerator(cpu=True) if prepared else None
        if accelerator:
            model, optimizer = accelerator.prepare(model, optimizer)
        for _ in range(4):
            optimizer.zero_grad()
            accelerator.backward(model()) if accelerator else model().backward()
            optimizer.step()
        ends.append(values(named))
    AcceleratorState._reset_state(reset_partial_state=True)
    assert_same_bits(ends[1], ends[0])


# ---- plain functions


def layers() -> nn.Sequential:
    inside = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    model = nn.Sequential(nn.Conv2d(2, 3, 2), inside, nn.Linear(4, 2))
    for name, parameter in model.named_parameters():
        parameter.data = noise(name, 0, parameter)
    return model


def test_by_depth_goes_in_equal_steps():
    model = layers()
    groups = by_depth(model.named_parameters(), "k", first=0.9, last=0.0)
    assert [group["k"] for group in groups] == pytest.approx([0.9, 0.6, 0.3, 0.0])
    assert [p for group in groups for p in group["params"]] == list(model.parameters())
    optimizer = FTP(AdamW(groups, lr=1e-3), model.named_parameters())
    assert [group["k"] for group in optimizer.param_groups] == [group["k"] for group in groups]


def test_by_depth_of_one_module_is_the_first_strength():
    (group,) = by_depth(nn.Linear(2, 2).named_parameters(), "strength", first=0.5, last=0.0)
    assert group["strength"] == 0.5


NORMS = pytest.mark.parametrize("norm", ["mars", "l2"])
NORM_BY_HAND: dict[str, Callable[[Tensor], Tensor]] = {
    "mars": lambda c: rows(c).abs().sum(1).max(),
    "l2": lambda c: c.square().sum().sqrt(),
}


def moved_layers() -> tuple[nn.Sequential, dict[str, Tensor]]:
    """A model, and its anchor."""
    model = layers()
    anchor = {n: p.detach() + 0.2 * noise(n, 1, p) for n, p in model.named_parameters()}
    return model, anchor


@NORMS
def test_deviation_is_the_norm_of_what_has_moved(norm):
    model, anchor = moved_layers()
    expected = {n: float(NORM_BY_HAND[norm](p.detach() - anchor[n])) for n, p in model.named_parameters()}
    assert deviation(model, anchor, norm) == pytest.approx(expected, rel=1e-5)


@NORMS
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_what_was_projected_is_within_the_radius(norm, dtype):
    model, anchor = moved_layers()
    model.to(dtype)
    anchor = {name: tensor.to(dtype) for name, tensor in anchor.items()}
    before = deviation(model, anchor, norm)
    project(model, anchor, 0.5, norm)
    rounding = {n: 2 * torch.finfo(dtype).eps * float(t.double().abs().sum()) for n, t in anchor.items()}
    for name, distance in deviation(model, anchor, norm).items():
        assert distance <= 0.5 + rounding[name]
        assert distance == pytest.approx(min(0.5, before[name]), abs=rounding[name], rel=1e-5)
    assert any(distance < 0.5 for distance in before.values())
    assert any(distance > 0.5 for distance in before.values())


@NORMS
def test_a_projection_moves_along_the_line_to_the_anchor(norm):
    model, anchor = moved_layers()
    start = values(dict(model.named_parameters()))
    project(model, anchor, 0.4, norm)
    for name, parameter in model.named_parameters():
        c = rows(start[name] - anchor[name])
        n = c.abs().sum(1, keepdim=True) if norm == "mars" else c.norm()
        expected = anchor[name] + ((0.4 / n).clamp(max=1) * c).view_as(parameter)
        torch.testing.assert_close(parameter.detach(), expected)


def test_radii_by_name_move_what_is_named():
    model, anchor = moved_layers()
    start = values(dict(model.named_parameters()))
    project(model, anchor, {"2.weight": 0.0, "0.bias": 0.1})
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, start[name]) == (name not in {"2.weight", "0.bias"})
    torch.testing.assert_close(model[2].weight.detach(), anchor["2.weight"])
    assert deviation(model, anchor)["0.bias"] == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize(
    ("radii", "sentence"),
    [
        ({"nobody": 1.0}, "there is a radius for nobody"),
        ({"2.weight": -1.0}, r"the radius of 2\.weight is -1\.0; a radius is 0 or more"),
        (-1.0, "is -1.0; a radius is 0 or more"),
        (float("nan"), "a radius is 0 or more"),
    ],
)
def test_radii_that_make_no_sense_are_refused(radii, sentence):
    model, anchor = moved_layers()
    start = values(dict(model.named_parameters()))
    with pytest.raises(ValueError, match=sentence):
        project(model, anchor, radii)
    assert_same_bits(values(dict(model.named_parameters())), start)


@pytest.mark.parametrize("call", [deviation, lambda model, anchor: project(model, anchor, 1.0)])
def test_an_anchor_without_a_common_name_is_refused(call):
    with pytest.raises(ValueError, match="no parameter name in common"):
        call(layers(), {"other": torch.zeros(2)})
    with pytest.raises(ValueError, match="an anchor is needed"):
        call(layers(), None)


def test_plain_functions_take_files_and_wrapped_models(tmp_path):
    model, anchor = moved_layers()
    save_file(anchor, tmp_path / "anchor.safetensors")
    expected = deviation(model, anchor)
    assert deviation(nn.DataParallel(model), tmp_path / "anchor.safetensors") == expected
    project(nn.DataParallel(model), tmp_path / "anchor.safetensors", 0.0)
    assert max(deviation(model, anchor).values()) < 1e-6


def test_plain_functions_pass_over_empty_and_reach_scalars():
    model = nn.ParameterDict({"none": torch.zeros(0, 3), "scalar": torch.tensor(2.0)})
    anchor = {"none": torch.zeros(0, 3), "scalar": torch.tensor(0.5)}
    assert deviation(model, anchor) == {"scalar": 1.5}
    project(model, anchor, 0.25)
    assert deviation(model, anchor) == {"scalar": pytest.approx(0.25)}
    assert deviation(nn.ParameterDict({"none": torch.zeros(0)}), {"none": torch.zeros(0)}) == {}


def test_norms_of_float16_do_not_overflow():
    model = nn.ParameterDict({"wide": torch.zeros(2, 400, dtype=torch.float16)})
    anchor = {"wide": torch.full((2, 400), 300.0)}
    assert deviation(model, anchor) == pytest.approx({"wide": 120_000})
    project(model, anchor, 60_000)
    assert deviation(model, anchor) == pytest.approx({"wide": 60_000})
