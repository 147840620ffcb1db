"""Parts of methods on encoders that are built otherwise than CLIP."""

import pytest
import torch
from torch import nn

from anchorline import METHODS, Encoder, load_encoder
from anchorline.encoders.strided import guard_strided
from anchorline.encoders.text_tower import TextTower
from anchorline.methods.tunables import AdaptedModel, ImageTower, Pretrained

pytest.importorskip("transformers")
from tests.helpers.families import make_family

CLASSES, TEMPLATES = ("cat", "dog"), ("a photo of a {}.",)


def encoder_of(family: str, root) -> Encoder:
    return load_encoder(f"local-dir:{make_family(family, root)}", "cpu")


def started(tunable, encoder: Encoder) -> AdaptedModel:
    captions = encoder.encode_classes(CLASSES, TEMPLATES)
    return tunable.start(Pretrained(encoder, CLASSES, TEMPLATES, captions))


def test_vectors_of_a_scaled_embedding_start_where_the_tower_reads_them(tmp_path):
    """M2M-100 multiplies by √width what its tokens look up."""
    encoder = encoder_of("NLLB", tmp_path)
    seen = []
    tokens = encoder.tokenizer(["a photo of a cat."])
    TextTower(encoder.model)(tokens, lambda _, embedded: seen.append(embedded) or embedded)
    (read,) = seen
    assert (read[0, 1] - encoder.model.text.transformer.embed_tokens.weight[tokens[0, 1]]).abs().max() > 0.1
    prompt = started(METHODS["coop"].tunable, encoder)
    torch.testing.assert_close(prompt.context.detach(), read[0, 1:5])  # behind the language: a photo of a
    program = started(METHODS["text-program"].tunable, encoder).text_program
    rows, _ = program.origins()
    torch.testing.assert_close(rows[program.row_of[tokens[0, :5]]], read[0, :5])


@pytest.mark.parametrize("family", ["CoCa", "CoCa with RoBERTa"])
@pytest.mark.parametrize("tunable", [ImageTower(), ImageTower(start_from="random")], ids=["unit", "raw"])
def test_a_tower_that_gives_patches_too(family, tunable, tmp_path):
    encoder = encoder_of(family, tmp_path)
    images = torch.rand(3, 3, *encoder.geometry.size)
    found = started(tunable, encoder).features(images).detach()
    assert found.shape == (3, 24)
    expected = encoder.forward_images(encoder.standardise(images))
    torch.testing.assert_close(nn.functional.normalize(found, dim=-1), expected)


def test_strided_convolutions_of_single_pixels_are_guarded_while_gradients_are_followed(tmp_path):
    """oneDNN damages memory in their gradients for images whose channels come last."""
    tower = encoder_of("MobileCLIP", tmp_path).image_tower
    seen = []
    (strided,) = (m for m in tower.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)
                  and m.stride == (2, 2) and m.in_channels == 3)  # fmt: skip
    strided.register_forward_hook(lambda _module, given, _: seen.append(given[0].is_contiguous()))
    images = torch.rand(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    tower(images)
    with torch.no_grad():
        tower(images)
    assert seen == [True, False]  # inference stays as fast as it was


def test_other_convolutions_are_left_alone():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.Conv2d(64, 8, 1, 2), nn.Conv2d(3, 8, 1))
    guard_strided(model)
    assert not any(one._forward_pre_hooks for one in model)
