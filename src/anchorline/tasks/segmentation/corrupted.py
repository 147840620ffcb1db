"""A segmentation test set under the corruptions of ImageNet-C; the masks stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from anchorline.suites.images.corruptions import SEVERITIES, parse_corruptions
from anchorline.suites.masks.sets import MaskedSet
from anchorline.suites.masks.suite import SegmentationSuite

# What the dense prediction tables of Fast Trainable Projection report; arXiv 2310.19182.
PAPER_FOUR = ("fog", "defocus_blur", "gaussian_noise", "brightness")


def corrupted_sets(
    suite: SegmentationSuite, names: Iterable[str] = PAPER_FOUR, severities: Sequence[int] = SEVERITIES
) -> dict[str, MaskedSet]:
    """The test set under each corruption by name, "fog/3"; `names` and errors as in `parse_corruptions`."""
    pairs = parse_corruptions(names, severities)
    return {f"{name}/{severity}": suite.test.corrupted(name, severity) for name, severity in pairs}
