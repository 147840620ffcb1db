"""What is held, and what the optimizer may be."""

import pytest
import torch
from torch import Tensor
from torch.optim import LBFGS, SGD

from tests.helpers.constrained import (
    assert_near,
    assert_same_bits,
    constrain,
    made,
    parameters,
    validation,
    values,
)
from tests.helpers.held import (
    BODY,
    HEADS,
    each,
    only,
    path,
    unheld,
)


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
