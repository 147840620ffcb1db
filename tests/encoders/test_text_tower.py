"""The text tower with less to do gives what open_clip gives."""

import open_clip
import pytest
import torch

from anchorline.encoders.text_tower import TextTower
from tests.helpers.tiny import TINY

TEXTS = ["a photo of a cat", "", "a rather long caption of a dog that sits beside a cat", "dog"]
LAYOUTS = {
    "CLIP": {},
    "eos": {"pool_type": "eos", "eos_id": 49407},
    "last": {"pool_type": "last"},
    "first": {"pool_type": "first"},
    "not causal": {"no_causal_mask": True},
    "CoCa's class token": {"embed_cls": True},
}


def model_of(layout: str, custom: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    config = {**TINY, "text_cfg": {**TINY["text_cfg"], **LAYOUTS[layout]}}
    kind = open_clip.model.CustomTextCLIP if custom else open_clip.model.CLIP
    return kind(**config).eval()


@pytest.mark.parametrize("custom", [False, True], ids=["CLIP", "CustomTextCLIP"])
@pytest.mark.parametrize("layout", LAYOUTS)
@torch.no_grad()
def test_padding_is_not_worked_on(layout, custom):
    if layout != "CLIP" and not custom:
        pytest.skip("these belong to a text tower of its own")
    model = model_of(layout, custom)
    tokens = open_clip.get_tokenizer("ViT-B-32")(TEXTS, context_length=24)
    tower = TextTower(model)
    expected = model.encode_text(tokens, normalize=True)
    torch.testing.assert_close(tower(tokens), expected, rtol=1e-5, atol=1e-6)
    cut = layout in ("CLIP", "eos")
    assert (tower.needed(tokens) < 24) == cut
    if cut:  # the longest caption's end-of-text token is the last that counts
        assert tower.needed(tokens) == int((tokens == 49407).int().argmax(1).max()) + 1


@torch.no_grad()
def test_what_stands_after_the_end_of_text_changes_nothing():
    """The reason why captions may be cut: the tower is causal."""
    model = model_of("CLIP", custom=False)
    tokens = open_clip.get_tokenizer("ViT-B-32")(TEXTS, context_length=24)
    after = tokens.clone()
    for row in after:
        end = int((row == 49407).int().argmax())
        row[end + 1 :] = torch.randint(1, 49000, (24 - end - 1,))
    torch.testing.assert_close(model.encode_text(after), model.encode_text(tokens))


@torch.no_grad()
def test_inputs_can_be_changed_and_are_themselves_again():
    model = model_of("CLIP", custom=True)
    tower = TextTower(model)
    tokens = open_clip.get_tokenizer("ViT-B-32")(TEXTS, context_length=24)
    before = tower(tokens)
    same = tower(tokens, lambda _, embedded: embedded)
    torch.testing.assert_close(same, before)
    changed = tower(tokens, lambda _, embedded: embedded.flip(-1))
    assert (changed - before).abs().max() > 0.01
    with pytest.raises(ZeroDivisionError):
        tower(tokens, lambda *_: 1 / 0)
    assert torch.equal(tower(tokens), before)
