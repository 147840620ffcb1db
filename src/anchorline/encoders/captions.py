"""Captions of classes: the templates."""

from __future__ import annotations

from collections.abc import Sequence

# The single caption of arXiv 2403.10800.
SINGLE_TEMPLATE = ("a photo of a {}",)

# The seven of the CLIP authors' prompt notebook, chosen there by forward selection on ImageNet out of
# eighty and about as good as all of them.
GENERAL_TEMPLATES = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)


def fill(template: str, name: str) -> str:
    """The caption of a class. Class names are text: braces in them stay, underscores are spaces."""
    return template.replace("{}", name.replace("_", " "))


def captions_of(classes: Sequence[str], templates: Sequence[str]) -> list[str]:
    """All captions of all classes, [C x T], those of one class together."""
    return [fill(template, name) for name in classes for template in templates]


def word_template(templates: Sequence[str]) -> tuple[str, ...]:
    """The one caption of a word that is no class: the only one of the classes, or "a photo of a {}".

    Twelve thousand words in eighty captions each would take longer than all images.
    """
    return tuple(templates) if len(templates) == 1 else SINGLE_TEMPLATE
