"""Words that are no class, as adapted text towers see them: what NegLabel compares images with."""

import pytest
import torch

from anchorline import METHODS
from anchorline.methods.tunables import Pretrained

ADJECTIVE = "This is a {} photo"


def started(row, encoder, suite):
    captions = encoder.encode_classes(suite.classes, ("a photo of a {}",))
    return METHODS[row].tunable.start(Pretrained(encoder, suite.classes, ("a photo of a {}",), captions))


@pytest.mark.parametrize(
    ("row", "noun", "adjective"),
    [
        ("flyp", "a photo of a {}", ADJECTIVE),
        ("reprogrammer", "a photo of a {}", ADJECTIVE),
        ("coop", "a photo of a {}.", "a photo of a {} photo"),  # behind the vectors, which start as words
    ],
)
@torch.no_grad()
def test_words_before_training_are_those_of_the_untouched_encoder(
    row, noun, adjective, tiny_encoder, colours
):
    model, words = started(row, tiny_encoder, colours), ("shiny", "unheard")
    for asked, template in (("", noun), (ADJECTIVE, adjective)):
        expected = tiny_encoder.encode_classes(words, (template,))
        torch.testing.assert_close(model.word_vectors(words, asked), expected)


@torch.no_grad()
def test_the_vectors_of_a_prompt_leave_the_word_alone(tiny_encoder, colours):
    model = started("coop", tiny_encoder, colours)
    model.context.zero_()
    shiny, unheard = model.word_vectors(("shiny", "unheard"), ADJECTIVE)
    assert not torch.allclose(shiny, unheard, atol=1e-3)


def test_where_the_text_stays_the_untouched_encoder_has_the_words(tiny_encoder, colours):
    assert started("fine-tune", tiny_encoder, colours).word_vectors(("shiny",), ADJECTIVE) is None
