"""Fast Trainable Projection: against the released optimizers' recordings, its own reference, and its laws."""

import ast
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from anchorline.constraints import FTP
from anchorline.constraints import foreach as batches
from anchorline.constraints.projection import row_norms
from tests.helpers.constrained import Named, assert_near, noise, parameters, train, values

RECORDED = sorted((Path(__file__).parent / "golden").glob("*_k*.npz"))
EVERY_KIND = {
    "scalar": (), "empty": (0,), "bias": (5,), "bias.2": (5,), "small": (7, 3), "small.2": (7, 3),
    "small.3": (7, 3), "conv": (4, 3, 3, 3), "large": (300, 512),
}  # fmt: skip


def every_kind(dtype: torch.dtype = torch.float32) -> Named:
    named = parameters(EVERY_KIND, dtype)
    named["conv"].data = named["conv"].data.to(memory_format=torch.channels_last)
    return named


def ftp(named: Named, lr: float = 1e-2, **more: object) -> FTP:
    return FTP(AdamW(named.values(), lr=lr), named.items(), **more)


# ---- the released optimizers


def recorded_inner(hyper: dict[str, object], params: list[Tensor], kernels: str) -> Optimizer:
    settings = {name: hyper[name] for name in ("lr", "momentum", "nesterov") if name in hyper}
    settings |= {"weight_decay": hyper.get("weight_decay", 0)}
    settings |= {"foreach": kernels == "foreach", "fused": kernels == "fused"}
    return {"adam": AdamW, "sgd": SGD}[hyper["kind"]](params, **settings)


@pytest.mark.parametrize("kernels", ["loops", "foreach", "fused"])
@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)
def test_it_is_the_released_optimizer(recording, exact, foreach, kernels):
    told = {
        name: torch.from_numpy(array) for name, array in np.load(recording).items() if array.dtype == float
    }
    with np.load(recording) as file:
        hyper, excluded = ast.literal_eval(str(file["hyper"])), file["excluded"].tolist()
    named = {
        name.removeprefix("init/"): torch.nn.Parameter(start.clone())
        for name, start in told.items() if name.startswith("init/")
    }  # fmt: skip
    inner = recorded_inner(hyper, list(named.values()), kernels)
    optimizer = FTP(inner, named.items(), k=hyper["k"], exclude=excluded, exact=exact, foreach=foreach)
    path, radii = [], []
    for step in range(20):
        for name, parameter in named.items():
            parameter.grad = told[f"grad/{name}"][step].clone()
        optimizer.step()
        path.append(values(named))
        radii.append(torch.tensor(list(optimizer.radii().values()), dtype=torch.float64))
    tolerance = 1e-12 if exact else 1e-8
    for step, found in enumerate(path):
        assert_near(found, {name: told[f"param/{name}"][step] for name in named}, tolerance)
    assert list(optimizer.radii()) == [name for name in named if name not in excluded]
    assert_near({"radii": torch.stack(radii)}, {"radii": told["gamma"]}, tolerance)


# ---- the batched path and the readable one


def largest_norms(named: Named) -> dict[str, Tensor]:
    return {name: row_norms(p.detach()).amax() for name, p in named.items() if p.numel()}


@pytest.mark.parametrize("piece", [2**16, 40])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("anchor", ["copied", "given"])
def test_both_paths_agree_to_rounding_at_every_step(monkeypatch, anchor, exact, piece):
    monkeypatch.setitem(batches._PIECE, "cpu", piece)
    plain, batched = every_kind(), every_kind()
    start = {name: p + 0.02 * noise(name, -3, p) for name, p in values(plain).items()}
    settings = {"exact": exact, "anchor": start if anchor == "given" else None}
    reference, ours = (ftp(named, foreach=named is batched, **settings) for named in (plain, batched))
    scale = largest_norms(plain)
    missing = {
        0: ["scalar", "bias", "small", "conv"],
        3: ["small.2", "large"],
        4: ["small.2"],
        9: ["scalar", "conv"],
    }
    for step in range(15):
        train(reference, plain, [step], missing.get(step, ()))
        train(ours, batched, [step], missing.get(step, ()))
        assert_near(batched, plain, 1e-6)
        expected, radii = reference.radii(), ours.radii()
        assert radii.keys() == expected.keys()
        for name in scale.keys() & radii.keys():
            assert abs(radii[name] - expected[name]) <= 1e-6 * scale[name], name
    assert batched["conv"].is_contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def test_pieces_hold_every_element_once(monkeypatch):
    monkeypatch.setitem(batches._PIECE, "cpu", 40)
    named = every_kind()
    optimizer = ftp(named)
    (batch,) = optimizer._batches_of(optimizer._held)
    for parameter in named.values():
        parameter.zero_()
    for piece in batch.pieces:
        piece.write(batch.parameters, batch.parameter(piece) + 1)
    assert all((parameter == 1).all() for parameter in named.values())
    assert {len(piece.members) for piece in batch.pieces} == {1, 2}  # both grouped and alone
    assert len(batch.pieces) > 300


# ---- laws

BOTH = [{"exact": exact, "foreach": foreach} for exact, foreach in product((False, True), repeat=2)]
both = pytest.mark.parametrize(
    "how", BOTH, ids=lambda how: "-".join(n for n, on in how.items() if on) or "plain"
)


def distances(named: Named, start: dict[str, Tensor]) -> dict[str, Tensor]:
    """|W - W0|_1 of every row, in float64."""
    return {
        name: row_norms(p.detach().double() - start[name]).flatten() for name, p in named.items() if p.numel()
    }


@both
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_no_row_is_farther_from_the_anchor_than_the_radius(how, dtype):
    named = every_kind(dtype)
    start = values(named)
    rounding = {name: torch.finfo(dtype).eps * norm for name, norm in largest_norms(named).items()}
    optimizer = ftp(named, **how)
    for step in range(8):
        train(optimizer, named, [step])
        radii = optimizer.radii()
        for name, rows in distances(named, start).items():
            assert (rows <= radii[name] * (1 + 1e-6) + rounding[name]).all(), name


@both
def test_the_first_step_returns_to_the_anchor(how):
    named = every_kind(torch.float64)
    start = values(named)
    train(ftp(named, **how), named, [0])
    assert all((rows <= 2e-8).all() for rows in distances(named, start).values())


@both
def test_without_k_no_radius_shrinks_but_to_the_largest_norm(how):
    named = every_kind(torch.float64)
    start = values(named)
    optimizer = ftp(named, k=0.0, **how)
    reached: dict[str, Tensor] = {}
    optimizer.inner.register_step_post_hook(lambda *_: reached.update(distances(named, start)))
    train(optimizer, named, [0])
    clipped = 0
    for step in range(1, 12):
        before = optimizer.radii()
        train(optimizer, named, [step])
        for name, radius in optimizer.radii().items():
            if name in reached and radius < before[name]:
                assert radius == pytest.approx(float(reached[name].max()) + 1e-8, rel=1e-9)
                clipped += 1
    assert clipped


@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize(("exact", "copies"), [(False, 1), (True, 2)])
def test_the_state_is_at_most_one_copy_of_the_model_or_two_if_exact(exact, copies, foreach):
    named = every_kind()
    optimizer = ftp(named, exact=exact, foreach=foreach)
    train(optimizer, named, range(3))
    kept = [tensor for state in optimizer.state.values() for tensor in state.values()]
    elements = sum(parameter.numel() for parameter in named.values())
    numbers = sum(1 for tensor in kept if tensor.ndim == 0)
    assert sum(tensor.numel() for tensor in kept) - numbers <= copies * elements
    assert numbers <= 8 * len(named)


@both
def test_float32_learns_the_radii_that_float64_learns(how):
    """Up and down: a radius that cannot shrink again passes most other laws."""
    named, precise = every_kind(), every_kind(torch.float64)
    ours, expected = ftp(named, **how), ftp(precise, **how)
    scale = largest_norms(precise)
    fallen = 0
    for step in range(12):
        before = expected.radii()
        train(ours, named, [step])
        train(expected, precise, [step])
        found = ours.radii()
        for name, radius in expected.radii().items():
            assert abs(found[name] - radius) <= 1e-4 * scale.get(name, 1), name
            fallen += radius < 0.9 * before.get(name, 0)
    assert fallen > 3


def regression(exact: bool, lr: float) -> tuple[Tensor, float]:
    """How a layer of float32 has moved after 30 steps, and its radius."""
    model = torch.nn.Linear(6, 4, bias=False)
    model.weight.data = noise("model", 0, model.weight)
    start = model.weight.detach().clone()
    x = noise("x", 0, torch.empty(32, 6))
    y = x @ noise("truth", 0, start).T
    optimizer = FTP(AdamW(model.parameters(), lr=lr), model.named_parameters(), exact=exact)
    for _ in range(30):
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
    return model.weight.detach() - start, optimizer.radii()["weight"]


@pytest.mark.parametrize(("lr", "share"), [(1e-2, 1e-3), (1e-5, 0.05)])
def test_deriving_the_direction_costs_little(lr, share):
    """Least where weights move far. At a low rate the first step is too small to be seen, and is kept where
    exact=True takes it back: one step of thirty."""
    (exact, exact_radius), (derived, derived_radius) = regression(True, lr), regression(False, lr)
    assert_near({"moved": derived}, {"moved": exact}, share)
    assert derived_radius == pytest.approx(exact_radius, rel=share)


@both
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_finite_and_moves(how, dtype):
    named = every_kind(dtype)
    start = values(named)
    optimizer = FTP(SGD(named.values(), lr=0.1), named.items(), **how)
    for _ in range(10):
        train(optimizer, named, [0])
    assert all(parameter.isfinite().all() for parameter in named.values())
    assert all(np.isfinite(list(optimizer.radii().values())))
    assert not any(torch.equal(p, start[name]) for name, p in named.items() if p.numel())
    assert named["large"].dtype == dtype


def test_rows_longer_than_float16_counts_stay_finite():
    named = {"wide": torch.nn.Parameter(torch.zeros(2, 400, dtype=torch.float16))}
    anchor = {"wide": torch.full((2, 400), 300.0)}  # a row norm of 120 000
    optimizer = FTP(SGD(named.values(), lr=0.1), named.items(), anchor=anchor)
    train(optimizer, named, range(3))
    torch.testing.assert_close(named["wide"].float(), anchor["wide"], rtol=1e-3, atol=0)


# ---- settings


@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize(("name", "settings"), [("k", (0.0, 1.0)), ("radius_lr", (1e-3, 1e-1))])
def test_each_group_has_settings_of_its_own(name, settings, foreach):
    """As if each group were trained with its settings alone."""
    named = every_kind()
    names = list(named)
    halves = [names[::2], names[1::2]]
    inner = AdamW(
        [{"params": [named[n] for n in half], name: v} for half, v in zip(halves, settings, strict=True)]
    )
    optimizer = FTP(inner, named.items(), foreach=foreach)
    train(optimizer, named, range(4))
    for half, value in zip(halves, settings, strict=True):
        alone = {n: p for n, p in every_kind().items() if n in half}
        other = FTP(AdamW(alone.values()), alone.items(), foreach=foreach, **{name: value})
        train(other, alone, range(4))
        assert_near({n: named[n] for n in half}, alone, 1e-6)
        for n, radius in other.radii().items():
            assert optimizer.radii()[n] == pytest.approx(radius, rel=1e-5)


@pytest.mark.parametrize("settings", [{"k": -0.1}, {"k": 1.1}, {"k": float("nan")}, {"radius_lr": -1.0}])
def test_settings_that_make_no_sense_are_refused(settings):
    named = parameters({"a": (2,), "b": (2,)})
    (name,) = settings
    with pytest.raises(ValueError, match=f"{name}=.*give a number from 0 to 1"):
        ftp(named, **settings)
    with pytest.raises(ValueError, match=f"{name}=.*give a number from 0 to 1"):
        FTP(SGD([{"params": [named["a"]], **settings}]), named.items())
    optimizer = FTP(SGD([named["a"]]), named.items())
    with pytest.raises(ValueError, match=f"{name}=.*give a number from 0 to 1"):
        optimizer.add_param_group({"params": [named["b"]], **settings})
    assert len(optimizer.inner.param_groups) == 1
