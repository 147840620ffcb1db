"""What was compared and how it was measured, in words."""

from __future__ import annotations

from collections.abc import Sequence

from anchorline.suites.masks.suite import SegmentationSuite
from anchorline.tasks.facts import made_by, of_suite
from anchorline.tasks.segmentation.architecture import Architecture
from anchorline.tasks.segmentation.methods import SegmentationMethod
from anchorline.tasks.segmentation.runs import AdaptedSegmenter
from anchorline.version import command_line


def facts(
    suite: SegmentationSuite,
    methods: Sequence[SegmentationMethod],
    segmenters: Sequence[AdaptedSegmenter],
    architecture: Architecture,
) -> dict[str, str]:
    """The box "how this was measured": label and value."""
    backbone = segmenters[0].backbone
    seeds = list(dict.fromkeys(one.seed for one in segmenters))
    height, width = architecture.size
    training = segmenters[0].request["method"]["training"]
    rise = (
        f" after a rise over the first {training['warmup_fraction']:.0%} of steps"
        if training["warmup_fraction"]
        else ""
    )
    on_val = [row.name for row in methods if row.constraint.learns_on_val]
    chosen = [
        one.method
        + (f" (seed {one.seed})" if len(seeds) > 1 else "")
        + ": "
        + ", ".join(f"{name} {value:g}" for name, value in one.chosen.items())
        for one in segmenters
    ]
    return {
        "Command": command_line.get(),
        "Suite": of_suite(suite),
        "Backbone": f"{backbone.name} (weights hash {backbone.hash}) on {backbone.device}; its normalisation "
        "statistics stay as they were pre-trained",
        "Decoder": f"{architecture.decoder}, {architecture.width} channels, new, with group normalisation "
        "and without dropout; nothing holds it",
        "Images": f"scaled to {height} x {width} pixels, masks to the nearest pixel; mean {backbone.mean}, "
        f"standard deviation {backbone.std}",
        "Training": f"cross-entropy of each pixel, {training['optimizer']}, batch {training['batch_size']}, "
        f"{training['epochs']} epochs, schedule {training['schedule']}{rise}, augmentation "
        f"{training['augmentation']} ({segmenters[0].method}; runs/METHOD/seed-SEED/config.json tells all)",
        "IoU": "pixels right over pixels predicted or true, summed over a set; background counts as a class; "
        "pixels of index 255 do not; mIoU is the mean over the classes that the set shows, all of which, "
        "and all others, may be predicted",
        "Intervals": "95 %, bootstrapped over images, 400 resamples, the same for all methods",
        "Means": "over shifts, and over corruptions and severities, each set with the same weight",
        "Chosen on val": "; ".join(chosen)
        + (
            f". On the same val {' and '.join(on_val)} also learns how far the weights may go, so that its "
            "figures on val say less; test and shifts take part in nothing"
            if on_val
            else ""
        ),
        "Seeds": ", ".join(map(str, seeds)),
        "Seconds": "wall time of training with all trials of a method's search",
        **made_by(),
    }
