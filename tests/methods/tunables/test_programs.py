"""Reprogramming: recordings of the released image program, and what the programs promise."""

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from anchorline import Encoder, UserError
from anchorline.encoders.captions import SINGLE_TEMPLATE
from anchorline.encoders.text_tower import TextTower
from anchorline.methods.constraints import Unconstrained
from anchorline.methods.hyperparameters import Training
from anchorline.methods.selection import put
from anchorline.methods.settings import from_json, override, override_each, to_json, validate
from anchorline.methods.table import METHODS
from anchorline.methods.tunables import Pretrained, Programs
from anchorline.methods.tunables.image_program import canvas, clamp, frame_mask, perturbation, scaled
from anchorline.methods.tunables.programs import Reprogrammed
from anchorline.training.optimization import optimizer_of

GOLDEN = sorted((Path(__file__).parent / "golden").glob("image_program_*.npz"))
CLIP_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
CLIP_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


def pretrained(encoder: Encoder, classes: tuple[str, ...] = ("a cat", "a dog")) -> Pretrained:
    return Pretrained(
        encoder, classes, SINGLE_TEMPLATE, encoder.encode_classes(classes, SINGLE_TEMPLATE), seed=3
    )


def reprogrammed(encoder: Encoder, **choices: object) -> Reprogrammed:
    found = replace(Programs(), **choices).start(pretrained(encoder))
    assert isinstance(found, Reprogrammed)
    return found


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_the_released_image_program(file):
    """Within 0.03 in normalised units; the released code rounds resized images to 8 bits."""
    recorded = np.load(file)
    images = torch.from_numpy(recorded["image_uint8"]).float() / 255
    side, stride = recorded["weight"].shape[-1], int(recorded["stride"])
    inner, resize = int(recorded["inner_resolution"]), int(recorded["resize_to"])
    frame, mask = torch.from_numpy(recorded["weight"]).float(), frame_mask((side, side), (inner, inner))
    placed = canvas(images, (side, side), (resize, resize), torch.zeros(3, 1, 1))
    found = (clamp(placed + perturbation(frame, mask, "tanh")) - CLIP_MEAN) / CLIP_STD
    difference = found[..., ::stride, ::stride] - torch.from_numpy(recorded["program_input"])
    assert difference.abs().max() < 0.03
    assert difference.abs().mean() < 0.005


def test_there_are_recordings():
    assert len(GOLDEN) == 2


def test_canvas_centres_the_image_on_a_colour():
    black, images = torch.zeros(3, 1, 1), torch.ones(2, 3, 10, 10)
    found = canvas(images, (9, 8), (5, 4), black)
    assert found.shape == (2, 3, 9, 8)
    assert found.count_nonzero() == 2 * 3 * 5 * 4
    torch.testing.assert_close(found[:, :, 2:7, 2:6], torch.ones(2, 3, 5, 4))
    assert torch.equal(canvas(images, (10, 10), (10, 10), black), images)
    on_grey = canvas(images, (9, 8), (5, 4), black + 0.5)
    torch.testing.assert_close(on_grey, 0.5 + 0.5 * found)


def test_canvas_continues_the_edge_of_the_image():
    images = torch.rand(1, 3, 4, 4)
    found = canvas(images, (8, 8), (4, 4))
    assert torch.equal(found[:, :, 2:6, 2:6], images)
    assert torch.equal(found[:, :, 2:6, 0], images[..., 0])
    assert torch.equal(found[:, :, 0, 0], images[:, :, 0, 0])


def test_a_learnt_size_starts_at_the_whole_and_has_a_gradient():
    images, black = torch.rand(2, 3, 16, 16), torch.zeros(3, 1, 1)
    scale = torch.ones((), requires_grad=True)
    found = scaled(images, scale, black)
    torch.testing.assert_close(found, images)
    (found * torch.rand_like(found)).sum().backward()
    assert scale.grad != 0
    half = scaled(torch.ones(1, 3, 16, 16), torch.tensor(0.5), black + 0.25)
    torch.testing.assert_close(half[0, 0, 8], torch.tensor([0.25] * 4 + [1.0] * 8 + [0.25] * 4))


@pytest.mark.parametrize(
    "choices",
    [{"geometry": "around", "ground": ground} for ground in ("grey", "mean", "edge")]
    + [{"geometry": "learnt"}, {"squash": "sigmoid", "start_from": "zero"}, {"clamp": "straight-through"}],
    ids=str,
)
def test_every_choice_trains_a_frame(tiny_encoder, choices):
    adaptation = reprogrammed(tiny_encoder, width=0.125, **choices)
    optimizer = optimizer_of(adaptation, Training(lr=1e-3), Unconstrained())
    before = adaptation.tuned()
    adaptation(torch.rand(4, 3, 32, 32)).logsumexp(1).mean().backward()
    optimizer.step()
    after = adaptation.tuned()
    assert all((after[name] != before[name]).any() for name in before)
    edge = adaptation.frame[:, 4:28, 4:28]
    assert edge.abs().max() == 0


def test_the_mean_colour_is_nothing_to_the_tower(tiny_encoder):
    adaptation = reprogrammed(tiny_encoder, width=0.25, geometry="around", ground="mean", start_from="zero")
    found = adaptation.programmed(torch.rand(1, 3, 32, 32))
    torch.testing.assert_close(found[..., 0, :], torch.zeros(1, 3, 32), rtol=0, atol=1e-5)


def test_the_frame_leaves_the_middle_alone(tiny_encoder):
    images = torch.rand(2, 3, 32, 32)
    adaptation = reprogrammed(tiny_encoder, width=0.125)
    plain = tiny_encoder.standardise(images)
    framed = adaptation.programmed(images)
    torch.testing.assert_close(framed[..., 4:28, 4:28], plain[..., 4:28, 4:28])
    assert (framed - plain).abs().amax((0, 1))[0].min() > 0
    framed.sum().backward()
    assert adaptation.frame.grad[:, 4:28, 4:28].abs().max() == 0
    assert adaptation.frame.grad[:, 0].abs().max() > 0
    assert adaptation.frame[:, 4:28, 4:28].abs().max() == 0  # nothing there to save


def test_without_squashing_the_frame_is_added_as_it_is(tiny_encoder):
    adaptation = reprogrammed(tiny_encoder, width=0.25, squash="none")
    images = torch.rand(1, 3, 32, 32)
    expected = tiny_encoder.standardise(images) + adaptation.frame
    torch.testing.assert_close(adaptation.programmed(images), expected)


@pytest.mark.parametrize("geometry", ["over", "around", "learnt"])
@pytest.mark.parametrize(
    ("image", "text", "squash"),
    [(True, True, "tanh"), (True, False, "sigmoid"), (True, False, "none"), (False, True, "tanh")],
)
def test_programs_that_change_nothing_leave_the_untouched_encoder(
    tiny_encoder, image, text, squash, geometry
):
    """A frame of no width, and a text program before it is trained."""
    adaptation = reprogrammed(
        tiny_encoder, image=image, text=text, squash=squash, geometry=geometry, width=0.0
    )
    images = torch.rand(3, 3, 32, 32)
    features = tiny_encoder.forward_images(tiny_encoder.standardise(images))
    torch.testing.assert_close(adaptation.features(images), features, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(adaptation.class_vectors(), adaptation.captions, rtol=1e-4, atol=1e-5)


def test_a_frame_that_leaves_no_image_is_refused(tiny_encoder):
    with pytest.raises(UserError, match="leaves no image on 32 x 32 pixels; give a smaller width"):
        reprogrammed(tiny_encoder, width=0.499)


@pytest.mark.parametrize(
    ("field", "value"),
    [("width", 0.5), ("width", -0.1), *product(("frame_lr", "frame_decay"), (-1.0, math.nan, math.inf))],
)
def test_numbers_that_make_no_sense_are_found_before_the_work(field, value):
    row = put(METHODS["reprogrammer"], f"tunable.{field}", value)
    with pytest.raises(UserError, match=rf"reprogrammer has tunable\.{field}=.*; give a"):
        validate(row)


@pytest.mark.parametrize(
    ("method", "field", "value", "sentence"),
    [
        ("reprogrammer", "training.optimizer", "sgd", "its text program has AdamW"),
        ("text-program", "training.optimizer", "sgd", "its text program has AdamW"),
        ("visual-prompt", "training.lr", 0.1, r"give tunable\.frame_lr"),
        ("visual-prompt", "training.optimizer", "sgd", r"give tunable\.frame_optimizer"),
    ],
)
def test_a_training_that_would_change_nothing_is_refused(method, field, value, sentence):
    row = METHODS[method]
    with pytest.raises(UserError, match=f"--set {field} would change nothing of {method}; {sentence}"):
        override(row, {field: str(value)})
    # Of several rows those change that can.
    other, same = override_each([METHODS["fine-tune"], row], {field: str(value)}, override)
    assert same == row
    assert getattr(other.training, field.partition(".")[2]) == value


def test_only_rows_of_tokens_that_occur_are_trained(tiny_encoder):
    adaptation = reprogrammed(tiny_encoder)
    tokens = pretrained(tiny_encoder).tokens()
    assert adaptation.text_program.rows.shape == (len(tokens.unique()), 24)
    assert adaptation.text_program.positions.shape[0] == TextTower(tiny_encoder.model).needed(tokens[:, 0])


def test_the_text_program_changes_the_inputs_of_the_text_tower(tiny_encoder):
    """v_i = Θ[t_i] + b_i: the same vectors as with Θ and b themselves changed."""
    adaptation = reprogrammed(tiny_encoder, image=False)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in adaptation.text_program.parameters():
            parameter.normal_(generator=rng)
    model = tiny_encoder.model
    tokens = pretrained(tiny_encoder).tokens()[:, 0]
    rows, positions = adaptation.text_program.rows, adaptation.text_program.positions
    kept = model.token_embedding.weight.clone(), model.positional_embedding.clone()
    try:
        with torch.no_grad():
            model.token_embedding.weight[tokens.unique()] += rows
            model.positional_embedding[: len(positions)] += positions
            expected = model.encode_text(tokens, normalize=True)
    finally:
        with torch.no_grad():
            model.token_embedding.weight.copy_(kept[0])
            model.positional_embedding.copy_(kept[1])
    torch.testing.assert_close(adaptation.class_vectors(), expected)
    assert (adaptation.class_vectors() - adaptation.captions).abs().max() > 0.01


def test_frozen_weights_get_no_gradients(tiny_encoder):
    adaptation = reprogrammed(tiny_encoder)
    adaptation(torch.rand(2, 3, 32, 32)).sum().backward()
    assert all(p.grad is None for p in tiny_encoder.model.parameters())
    assert all(p.grad is not None for p in adaptation.parameters())
    assert set(adaptation.tuned()) == {"frame", "text_program.rows", "text_program.positions"}


def test_each_program_has_an_optimizer_of_its_own(tiny_encoder):
    text, frame = reprogrammed(tiny_encoder, frame_lr=5e-3, frame_decay=0.2).groups(5e-4)
    assert (text["lr"], text["optimizer"]) == (5e-4, "adamw-of-changes")
    assert (frame["lr"], frame["optimizer"], frame["weight_decay"]) == (5e-3, "adam", 0.2)


def test_a_row_that_earlier_versions_have_written():
    row = to_json(METHODS["reprogrammer"])
    row["tunable"] = {
        "kind": "Programs", "image": True, "text": True, "width": 0.0625, "resize": 0.875,
        "start_from": "normal", "squash": True, "frame_rate": 10.0, "frame_decay": 0.0,
    }  # fmt: skip
    found = from_json(row).tunable
    assert (found.geometry, found.squash, found.width) == ("around", "tanh", 0.0625)
    row["tunable"] |= {"resize": 1.0, "squash": False}
    assert (from_json(row).tunable.geometry, from_json(row).tunable.squash) == ("over", "none")
