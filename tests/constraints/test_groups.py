"""Groups of parameters."""

import pytest
import torch
from torch.optim import AdamW

from anchorline.constraints.base import Constrained
from tests.helpers.constrained import (
    INNER,
    STRENGTHS,
    Named,
    anchor_of,
    assert_near,
    assert_same_bits,
    constrain,
    made,
    parameters,
    train,
    values,
)
from tests.helpers.held import (
    BODY,
    HEADS,
    each,
    each_variant,
    load,
    only,
    path,
    through_a_file,
    unheld,
)


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
