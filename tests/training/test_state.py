"""The state of a training: what is put on disk is read again, to the bit."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from anchorline.constraints import FTP
from anchorline.engine.storage import read_tensors
from anchorline.methods.tuned import TunableModel
from anchorline.training.state import CHECKPOINT, LOG, State, flatten, read_state, unflatten, write_state

# ---- flattened and put together again

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    values = torch.randn(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))
    return (10 * values).to(draw(st.sampled_from(DTYPES)))


names = st.text(string.ascii_letters + "_", min_size=1, max_size=6)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, max_size=3)
    # Parameters have numbers and what is kept of them has names.
    return lists | lists.map(tuple) | st.dictionaries(st.integers(0), inner) | st.dictionaries(names, inner)


states = st.dictionaries(names, st.recursive(tensors() | plain, containers, max_leaves=12), max_size=4)


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)  # the order too, and whether a key is a number
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


@settings(max_examples=50, deadline=None)
@given(state=states)
def test_unflatten_is_the_inverse_of_flatten_with_json_in_between(state: dict[str, Any]):
    named, facts = flatten(state)
    assert all(isinstance(tensor, Tensor) for tensor in named.values())
    assert_same(unflatten(named, json.loads(json.dumps(facts))), state)


@settings(max_examples=30, deadline=None)
@given(state=states)
def test_what_comes_out_shares_no_memory_with_what_went_in(state: dict[str, Any]):
    named, facts = flatten(state)
    before = {tensor.data_ptr() for tensor in named.values() if tensor.numel()}
    again, _ = flatten(unflatten(named, facts))
    assert before.isdisjoint(tensor.data_ptr() for tensor in again.values() if tensor.numel())


# ---- on disk


class Plane(TunableModel):
    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(3, 4, generator=rng))
        self.bias = nn.Parameter(torch.zeros(3))


def steps(model: Plane, optimizer: Optimizer, numbers: Iterable[int]) -> None:
    for number in numbers:
        x = torch.randn(5, 4, generator=torch.Generator().manual_seed(number))
        optimizer.zero_grad()
        (x @ model.weight.T + model.bias).square().mean().backward()
        optimizer.step()


OPTIMIZERS: dict[str, Callable[[Plane], Optimizer]] = {
    "sgd": lambda model: SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True),
    "adamw": lambda model: AdamW(model.groups(0.1), betas=(0.8, 0.95), amsgrad=True),
    "ftp": lambda model: FTP(AdamW(model.groups(0.1)), model.named_parameters()),
}
STATE = State(
    step=3, best=(0.75, -0.5), best_epoch=2, best_tuned={"weight": torch.arange(6.0).view(2, 3).T},
    history=[{"epoch": 1, "train_loss": 0.1 + 0.2}, {"epoch": 2, "train_loss": 1e-9}],
    movement=[[1, "weight", 0.1, None], [2, "weight", 0.3, 0.25]],
)  # fmt: skip


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_training_goes_on_to_the_same_bits(tmp_path, make):
    straight = Plane()
    optimizer = make(straight)
    steps(straight, optimizer, range(3))
    write_state(tmp_path, "mine", STATE, straight, optimizer)
    steps(straight, optimizer, range(3, 6))
    resumed = Plane()
    other = make(resumed)
    found = read_state(tmp_path, "mine", resumed, other)
    assert_same(vars(found), vars(STATE))
    steps(resumed, other, range(3, 6))
    assert all(torch.equal(resumed.tuned()[name], tensor) for name, tensor in straight.tuned().items())


def test_the_state_of_another_request_is_none_of_ours(tmp_path):
    model = Plane()
    optimizer = OPTIMIZERS["sgd"](model)
    assert read_state(tmp_path, "mine", model, optimizer) is None
    steps(model, optimizer, [0])
    write_state(tmp_path, "another's", STATE, model, optimizer)
    before = model.tuned()
    steps(model, optimizer, [1])
    after = model.tuned()
    assert not torch.equal(before["weight"], after["weight"])
    assert read_state(tmp_path, "mine", model, optimizer) is None
    assert torch.equal(model.weight, after["weight"])


def test_at_the_end_the_best_epoch_alone_is_written(tmp_path):
    model = Plane()
    write_state(tmp_path, "mine", STATE, model, None)
    kept, _ = read_tensors(tmp_path / CHECKPOINT)
    assert set(kept) == {"best.weight"}
    fresh = Plane().tuned()
    assert_same(vars(read_state(tmp_path, "mine", model, OPTIMIZERS["sgd"](model))), vars(STATE))
    assert torch.equal(model.weight, fresh["weight"])


def test_the_log_has_a_line_an_epoch(tmp_path):
    write_state(tmp_path, "mine", STATE, Plane(), None)
    assert [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()] == STATE.history


def test_patience_counts_from_the_best_epoch_and_none_is_endless():
    state = State(best_epoch=3)
    assert [state.stopped(2, epoch) for epoch in (3, 4, 5, 6)] == [False, False, True, True]
    assert not state.stopped(0, 1000)
