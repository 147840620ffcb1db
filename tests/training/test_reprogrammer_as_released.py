"""Recordings of released training of the Reprogrammer (IBM/reprogrammer, commit f107472), replayed.

The files hold batches, losses, frame and tables of 15 steps on a tiny encoder, one for each geometry. Here
our own parts do the same steps: image program, text program, loss, the optimizers of the groups. What is
drawn on the canvas is taken from the recording: the released code resizes with Pillow, in 8 bits.
"""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from torch import Tensor

from anchorline.encoders.encoder import Encoder
from anchorline.experiments.recipes.reprogrammer_cifar10 import methods
from anchorline.methods.hyperparameters import Training
from anchorline.methods.objectives import Contrastive
from anchorline.methods.table import METHODS
from anchorline.methods.tunables import Pretrained, Programs
from anchorline.methods.tunables.image_program import clamp
from anchorline.suites.images.decode import Geometry
from anchorline.training.optimization import optimizer_of, rate_at

GOLDEN = Path(__file__).parents[1] / "methods" / "tunables" / "golden"
RECORDED = ("over", "around")


class Replay:
    """The recording, and the project's model of the same encoder in the same state."""

    def __init__(self, name: str) -> None:
        found = np.load(GOLDEN / f"reprogrammer_training_{name}.npz")
        self.recorded = {key: found[key] for key in found.files}
        self.hyper = json.loads(str(found["hyper"]))
        model = open_clip.CLIP(**json.loads(str(found["encoder_config"]))).eval().requires_grad_(False)
        weights = {
            k.removeprefix("encoder/"): v for k, v in self.recorded.items() if k.startswith("encoder/")
        }
        model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()}, strict=False)
        tokens = torch.from_numpy(self.recorded["caption_tokens"])
        side = self.hyper["side"]
        encoder = Encoder(
            name="recorded", model=model, tokenizer=lambda _: tokens, architecture="{}",
            geometry=Geometry((side, side)), mean=tuple(self.hyper["mean"]), std=tuple(self.hyper["std"]),
            templates=("{}",), random=False, device=torch.device("cpu"),
        )  # fmt: skip
        classes = tuple(str(name) for name in self.recorded["classes"])
        captions = torch.from_numpy(self.recorded["zero_shot/class_vectors"])
        inner = self.hyper["inner_side"]
        self.choices = Programs(width=(side - inner) / 2 / side, geometry=name)
        self.model = self.choices.start(Pretrained(encoder, classes, ("a photo of a {}",), captions))
        self.mask = torch.from_numpy(self.recorded["mask"]).bool().expand(3, -1, -1)
        with torch.no_grad():
            self.model.frame.copy_(self["frame"][0])
        # What is drawn stands on the canvas at once.
        self.drawn = self._on_canvas(torch.from_numpy(self.recorded["drawn"]).float() / 255, side)
        self.model._placed = lambda images: images
        self.labels = torch.from_numpy(self.recorded["labels"])
        self.objective = Contrastive(focal=True, duplicates="negatives")

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.recorded[name])

    def _on_canvas(self, drawn: Tensor, side: int) -> Tensor:
        before = (side - drawn.shape[-1]) // 2
        whole = torch.zeros(len(drawn), 3, side, side)
        whole[:, :, before : before + drawn.shape[-1], before : before + drawn.shape[-1]] = drawn
        return whole

    def loss(self, step: int) -> Tensor:
        batch = self["batches"][step]
        return self.objective(self.model(self.drawn[batch]), self.labels[batch])


@pytest.fixture(params=RECORDED)
def replay(request) -> Replay:
    return Replay(request.param)


def test_the_start(replay):
    """Forward passes before any step."""
    batch = replay["batches"][0][:2]
    given = replay.model.programmed(replay.drawn[batch])
    torch.testing.assert_close(given, replay["start/tower_input"], rtol=0, atol=1e-5)
    features = replay.model.features(replay.drawn)
    torch.testing.assert_close(features, replay["start/image_features"], rtol=0, atol=5e-6)
    vectors = replay.model.class_vectors()
    torch.testing.assert_close(vectors, replay["start/class_vectors"], rtol=0, atol=5e-6)


def test_training_steps(replay):
    """Loss, frame and both tables after each of the steps, at the settings of the row (whose rates are the
    table's; the released ones stand in the recording)."""
    row = METHODS["reprogrammer"]
    assert row.tunable == Programs()
    assert (row.tunable.frame_optimizer, row.tunable.frame_decay) == (
        "adam",
        replay.hyper["frame"]["weight_decay"],
    )
    assert row.training.weight_decay == replay.hyper["text"]["weight_decay"]
    assert row.training.max_grad_norm == 0
    optimizer = optimizer_of(replay.model, row.training, row.constraint)
    text, frame = optimizer.param_groups
    assert (tuple(frame["betas"]), frame["eps"]) == ((0.9, 0.999), 1e-8)
    assert (tuple(text["betas"]), text["eps"]) == ((0.9, 0.98), 1e-6)
    vocabulary = torch.unique(torch.from_numpy(replay.recorded["caption_tokens"]))
    rows, positions = replay.model.text_program.origins()
    for step, (frame_rate, text_rate) in enumerate(replay["rates"].tolist()):
        frame["lr"], text["lr"] = frame_rate, text_rate
        loss = replay.loss(step)
        torch.testing.assert_close(loss, replay["loss"][step], rtol=0, atol=1e-5)
        optimizer.zero_grad()
        loss.backward()
        recorded = replay["frame_grad"][step]
        bound = 5e-5 * float(recorded.abs().max())
        torch.testing.assert_close(replay.model.frame.grad, recorded * replay.mask, rtol=0, atol=bound)
        optimizer.step()
        own, theirs = replay.model.frame.detach(), replay["frame"][step + 1]
        torch.testing.assert_close(own[replay.mask], theirs[replay.mask], rtol=0, atol=1e-5)
        program = replay.model.text_program
        table = rows + program.rows.detach()
        torch.testing.assert_close(table, replay["token_table"][step + 1][vocabulary], rtol=0, atol=1e-5)
        known = len(program.positions)
        places = positions + program.positions.detach()
        torch.testing.assert_close(places, replay["position_table"][step + 1][:known], rtol=0, atol=1e-5)
    features, vectors = replay.model.features(replay.drawn), replay.model.class_vectors()
    torch.testing.assert_close(features, replay["end/image_features"], rtol=0, atol=1e-5)
    torch.testing.assert_close(vectors, replay["end/class_vectors"], rtol=0, atol=1e-5)


def test_the_schedule(replay):
    """Warm-up and half a cosine, as the loop sets them."""
    steps, rise = replay.hyper["steps"], replay.hyper["warmup_steps"] / replay.hyper["steps"]
    training = Training(warmup_fraction=rise)
    found = [rate_at(step, steps, training) for step in range(steps)]
    peak = replay.hyper["frame"]["lr"]
    np.testing.assert_allclose(peak * np.array(found), replay.recorded["rates"][:, 0], rtol=1e-6)


def test_a_frame_that_starts_from_zero_learns(replay):
    """The sum lies on the bound of the clamp, whose gradient there is 1."""
    with torch.no_grad():
        replay.model.frame.zero_()
    loss = replay.loss(0)
    torch.testing.assert_close(loss, replay["zero_frame/loss"], rtol=0, atol=1e-5)
    loss.backward()
    recorded = replay["zero_frame/frame_grad"]
    found = replay.model.frame.grad
    torch.testing.assert_close(found, recorded * replay.mask, rtol=0, atol=2e-5 * float(recorded.abs().max()))
    if replay.choices.geometry == "around":
        assert (found[replay.mask] != 0).all()


def test_gradients_of_the_clamp():
    def gradients(kind: str) -> list[float]:
        x = torch.tensor([-0.5, 0.0, 0.25, 1.0, 1.5], requires_grad=True)
        bounded = clamp(x, kind)
        assert bounded.tolist() == [0.0, 0.0, 0.25, 1.0, 1.0]
        bounded.sum().backward()
        return x.grad.tolist()

    assert gradients("hard") == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert gradients("straight-through") == [1.0] * 5


def test_the_recipe_trains_by_the_released_settings():
    hyper = Replay("over").hyper
    row = next(row for row in methods(50_000) if row.name == "reprogrammer")
    frame, text, training = hyper["frame"], hyper["text"], row.training
    assert row.search == ()
    assert (row.tunable.frame_optimizer, row.tunable.geometry) == (frame["optimizer"].lower(), "over")
    assert (row.tunable.frame_lr, row.tunable.frame_decay) == (frame["lr"], frame["weight_decay"])
    assert row.tunable.width == pytest.approx((224 - 192) / 2 / 224)
    assert (training.lr, training.weight_decay, training.eps) == (
        text["lr"],
        text["weight_decay"],
        text["eps"],
    )
    assert (list(training.betas), training.max_grad_norm) == (text["betas"], 0)
    assert (row.objective.alpha, row.objective.gamma) == (hyper["focal"]["alpha"], hyper["focal"]["gamma"])
    assert row.objective.duplicates == hyper["duplicates"]
    assert training.warmup_fraction * 25 * (50_000 // 128) == pytest.approx(500)
