"""The trainable projected gradient method: against recordings of the released code, and values by hand."""

import ast
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD

from anchorline.constraints import TPGM
from tests.helpers.constrained import made, parameters, train

RECORDED = sorted((Path(__file__).parent / "golden").glob("tpgm_*.npz"))


class Net(nn.Module):
    """What was recorded: see golden/README.md."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 2)
        self.body = nn.Linear(9, 4)
        self.scale = nn.Parameter(torch.empty(4))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.scale * torch.tanh(self.body(torch.tanh(self.conv(x)).flatten(1))))


@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)
def test_it_is_the_released_code(recording, pieces):
    with np.load(recording) as file:
        hyper = ast.literal_eval(str(file["hyper"]))
        told = {name: torch.from_numpy(file[name]) for name in file.files if name != "hyper"}
    net = Net().double()
    net.load_state_dict({n.removeprefix("init/"): t for n, t in told.items() if n.startswith("init/")})
    drawn = count()

    def validation() -> Tensor:
        i = next(drawn) % len(told["val_x"])
        return F.cross_entropy(net(told["val_x"][i]), told["val_y"][i])

    optimizer = TPGM(
        SGD(net.parameters(), lr=hyper["lr"], momentum=0.9, nesterov=True, weight_decay=5e-4),
        net.named_parameters(), validation, exclude=["head.*"],
        norm=hyper["norm"], every=hyper["every"], iterations=hyper["iterations"], radius_lr=hyper["rate"],
    )  # fmt: skip
    assert optimizer.radii() == {}
    for step, (x, y) in enumerate(zip(told["x"], told["y"], strict=True)):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(parameter.detach(), told[f"param/{name}"][step], rtol=0, atol=1e-12)
        expected = {n.removeprefix("radius/"): float(t[step]) for n, t in told.items() if "radius/" in n}
        assert optimizer.radii() == pytest.approx(expected, rel=1e-9)
    assert next(drawn) == hyper["iterations"] * len(range(0, len(told["x"]), hyper["every"]))


@pytest.mark.parametrize("norm", ["mars", "l2"])
def test_a_radius_leaves_the_largest_norm_as_soon_as_val_asks_for_it(norm):
    """By hand. One row, moved to (-1, 0) from (0, 0), so n = 1. The radius starts at 1/2; val pulls outward
    first, and Adam's first step is its rate, .6: 1.1, cut to 1. Then val pulls inward as strongly: Adam's
    means are .9 * -.1 + .1 = .01 and .0019990, bias-corrected .01 / .19 and 1, and .6 * .05263158 is taken.
    """
    weights = nn.Parameter(torch.zeros(1, 2, dtype=torch.float64))
    pulls = iter([1.0, -1.0])
    optimizer = TPGM(
        SGD([weights], lr=1.0), [("w", weights)], lambda: next(pulls) * weights[0, 0],
        iterations=2, radius_lr=0.6, norm=norm,
    )  # fmt: skip
    weights.grad = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    optimizer.step()
    assert optimizer.radii()["w"] == pytest.approx(1 - 0.6 * 0.01 / 0.19, rel=1e-6)
    assert weights[0, 0].item() == pytest.approx(-(1 - 0.6 * 0.01 / 0.19), rel=1e-6)


def test_steps_between_learnings_project_and_draw_nothing_from_val():
    """By hand. The anchor is 0, and each step moves the weight to 1, 2, 3 … The radius starts at half of the
    first; the steps between hold to it."""
    weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    asked = []

    def validation() -> Tensor:
        asked.append(1)
        return 0 * weight.sum()  # teaches nothing

    optimizer = TPGM(SGD([weight], lr=1.0), [("w", weight)], validation, every=3)
    found = []
    for step in range(5):
        weight.grad = weight.detach() - (step + 1)
        optimizer.step()
        found.append((len(asked), round(weight.item(), 6)))
    assert found == [(1, 0.5), (1, 0.5), (1, 0.5), (2, 0.5), (2, 0.5)]


def test_weights_at_their_anchor_stay_and_have_the_smallest_radius():
    still = nn.Parameter(torch.ones(2, 2, dtype=torch.float64))
    optimizer = TPGM(SGD([still], lr=1.0), [("w", still)], lambda: still.sum())
    still.grad = torch.zeros_like(still)
    optimizer.step()
    assert still.detach().tolist() == [[1, 1], [1, 1]]
    assert optimizer.radii() == {"w": pytest.approx(1e-8)}


def test_no_gradient_of_validation_images_is_left():
    named = parameters()
    train(made("tpgm", named), named, range(1))
    assert all(parameter.grad is None for parameter in named.values())


@pytest.mark.parametrize("wrong", [{"every": 0}, {"iterations": 0}, {"norm": "l1"}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))}=.*: give "):
        made("tpgm", parameters(), **wrong)
