"""Reprogramming: recordings of the released image program, and what the programs promise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anchorline import Encoder, UserError
from anchorline.encoders.captions import SINGLE_TEMPLATE
from anchorline.encoders.text_tower import TextTower
from anchorline.methods.tunables import Pretrained, Programs
from anchorline.methods.tunables.image_program import canvas, frame_mask, program
from anchorline.methods.tunables.programs import Reprogrammed

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
    found = (program(images, frame, mask, (resize, resize)) - CLIP_MEAN) / CLIP_STD
    difference = found[..., ::stride, ::stride] - torch.from_numpy(recorded["program_input"])
    assert difference.abs().max() < 0.03
    assert difference.abs().mean() < 0.005


def test_there_are_recordings():
    assert len(GOLDEN) == 2


def test_canvas_centres_the_image_on_zeros():
    images = torch.ones(2, 3, 10, 10)
    found = canvas(images, (9, 8), (5, 4))
    assert found.shape == (2, 3, 9, 8)
    assert found.count_nonzero() == 2 * 3 * 5 * 4
    torch.testing.assert_close(found[:, :, 2:7, 2:6], torch.ones(2, 3, 5, 4))
    assert torch.equal(canvas(images, (10, 10), (10, 10)), images)


def test_the_frame_leaves_the_middle_alone(tiny_encoder):
    images = torch.rand(2, 3, 32, 32)
    adaptation = reprogrammed(tiny_encoder, width=0.125, resize=1.0)
    plain = tiny_encoder.standardise(images)
    framed = adaptation.programmed(images)
    torch.testing.assert_close(framed[..., 4:28, 4:28], plain[..., 4:28, 4:28])
    assert (framed - plain).abs().amax((0, 1))[0].min() > 0
    framed.sum().backward()
    assert adaptation.frame.grad[:, 4:28, 4:28].abs().max() == 0
    assert adaptation.frame.grad[:, 0].abs().max() > 0
    assert adaptation.frame[:, 4:28, 4:28].abs().max() == 0  # nothing there to save


def test_without_squashing_the_frame_is_added_as_it_is(tiny_encoder):
    adaptation = reprogrammed(tiny_encoder, width=0.25, resize=1.0, squash=False)
    images = torch.rand(1, 3, 32, 32)
    expected = tiny_encoder.standardise(images) + adaptation.frame
    torch.testing.assert_close(adaptation.programmed(images), expected)


@pytest.mark.parametrize("squash", [True, False])
@pytest.mark.parametrize(("image", "text"), [(True, True), (True, False), (False, True)])
def test_programs_that_change_nothing_leave_the_untouched_encoder(tiny_encoder, image, text, squash):
    """A frame of no width around the whole image, and a text program before it is trained."""
    adaptation = reprogrammed(
        tiny_encoder, image=image, text=text, squash=squash, width=0.0, resize=1.0, start_from="zero"
    )
    images = torch.rand(3, 3, 32, 32)
    features = tiny_encoder.forward_images(tiny_encoder.standardise(images))
    torch.testing.assert_close(adaptation.features(images), features, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(adaptation.class_vectors(), adaptation.captions, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("choices", [{"width": 0.5}, {"width": -0.1}, {"resize": 0.0}, {"resize": 1.2}])
def test_a_frame_that_leaves_no_image_is_refused(tiny_encoder, choices):
    with pytest.raises(UserError, match=r"leaves no image on 32 x 32 pixels; give a width in \[0, 0\.5\)"):
        reprogrammed(tiny_encoder, **choices)


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


def test_learning_rates_and_decay_of_the_two_programs(tiny_encoder):
    groups = reprogrammed(tiny_encoder, frame_rate=10.0, frame_decay=0.2).groups(5e-4)
    assert [group["lr"] for group in groups] == [5e-4, 5e-3]
    assert "weight_decay" not in groups[0]
    assert groups[1]["weight_decay"] == 0.2
