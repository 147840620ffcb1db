"""Anchors: what the weights are held to."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim import SGD

from anchorline.constraints import FTP
from tests.helpers.constrained import (
    INNER,
    anchor_of,
    assert_near,
    assert_same_bits,
    constrain,
    made,
    parameters,
    train,
    validation,
    values,
)
from tests.helpers.held import (
    each,
    each_variant,
    path,
)


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
