"""Zero-shot figures of OpenAI's CLIP models, as open_clip's maintainers measured them.

Source: https://github.com/mlfoundations/open_clip, docs/openclip_results.csv at commit 89fb801. Top-1 in
percent; each data set with its own list of class names and templates (ImageNet and its kin: eighty).
"""

from __future__ import annotations

from collections.abc import Mapping

from anchorline.metric import UNTOUCHED
from anchorline.report.published import Published

SOURCE = "open_clip, docs/openclip_results.csv (commit 89fb801)"
NOTE = "its captions are the mean of up to eighty templates, ours of the encoder's own"
OWN_NAMES = (
    "among ObjectNet's own names of its 113 classes; here among ImageNet's, of which the highest score of a "
    "group counts"
)

# model -> data set -> accuracy
ZERO_SHOT: dict[str, dict[str, float]] = {
    "ViT-B-32": {
        "CIFAR-10": 89.83, "STL-10": 97.13, "ImageNet": 63.32, "V2": 55.92, "A": 31.55, "R": 69.33,
        "Sketch": 42.29, "ObjectNet": 44.31,
    },
    "ViT-B-16": {
        "CIFAR-10": 90.77, "STL-10": 98.25, "ImageNet": 68.34, "V2": 61.88, "A": 49.95, "R": 77.70,
        "Sketch": 48.24, "ObjectNet": 55.31,
    },
}  # fmt: skip


def zero_shot(model: str, sets: Mapping[str, str], notes: Mapping[str, str] | None = None) -> list[Published]:
    """The figures of a model on some data sets. `sets`: data set -> the name that it has in our suite;
    `notes`: what else differs on a data set."""
    more = notes or {}
    return [
        Published(
            UNTOUCHED, ours, "accuracy", ZERO_SHOT[model][theirs], SOURCE,
            "; ".join(filter(None, (NOTE, more.get(theirs, "")))),
        )
        for theirs, ours in sets.items()
    ]  # fmt: skip
