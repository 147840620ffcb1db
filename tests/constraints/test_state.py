"""A constraint's state: saved, and gone on from."""

import copy

import pytest
import torch

from tests.helpers.constrained import (
    INNER,
    STRENGTHS,
    Named,
    assert_same_bits,
    constrain,
    made,
    parameters,
    train,
    values,
)
from tests.helpers.held import (
    around,
    each,
    each_variant,
    load,
    path,
    through_a_file,
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
