"""All the words: encoding them costs these tests nothing."""

from collections.abc import Iterator

import pytest

from anchorline.detectors.on_text import adjectives, nouns


@pytest.fixture(scope="module", autouse=True)
def all_words(few_words: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anchorline.detectors.on_text.nouns", nouns)
        patch.setattr("anchorline.detectors.on_text.adjectives", adjectives)
        yield
