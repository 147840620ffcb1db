"""Plain functions: deviation, project, by_depth."""

from collections.abc import Callable

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import AdamW

from anchorline.constraints import FTP, by_depth, deviation, project
from tests.helpers.constrained import (
    assert_same_bits,
    noise,
    values,
)
from tests.helpers.held import rows


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
