"""The command `predict`: what a run says of any images, a line each."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from anchorline.classifier import prediction as predicting
from anchorline.classifier.prediction import Prediction, found_images
from anchorline.classifier.runs import load
from anchorline.cli.arguments import Predict
from anchorline.encoders.loading import load_encoder
from anchorline.errors import UserError
from anchorline.tasks import segmentation
from anchorline.tasks.segmentation import AdaptedSegmenter, DrawnMask, is_segmentation_run, predict_masks


def predict(command: Predict) -> None:
    drawing = is_segmentation_run(command.run)
    if command.out and not drawing:
        raise UserError(f"--out is for the masks of a segmentation, and {command.run} is none; leave it out")
    if drawing and command.out is None:
        raise UserError(f"{command.run} is a segmentation; say with --out DIR where its masks are to lie")
    if drawing and command.encoder:
        raise UserError(f"{command.run} is a segmentation, whose backbone is its own; leave --encoder out")
    device = command.device or None
    encoder = load_encoder(command.encoder, device) if command.encoder else None
    adapted = segmentation.load(command.run, device=device) if drawing else load(command.run, encoder, device)
    if not command.images:
        raise UserError('no images are given; name files, folders or patterns, or "-" for standard input')
    names = (name for given in command.images for name in (_lines() if given == "-" else [given]))
    images = found_images(names)
    skipped: list[str] = []
    if isinstance(adapted, AdaptedSegmenter):
        assert command.out is not None
        masks = predict_masks(adapted, images, command.out, command.bad_images, skipped)
        _print_lines(command.format, DrawnMask, masks)
    else:
        found = predicting.predict(adapted, images, command.bad_images, skipped)
        _print_lines(command.format, Prediction, found)
    for sentence in skipped:
        warnings.warn(f"left out: {sentence}", stacklevel=1)


def _lines() -> Iterator[str]:
    return (line.rstrip("\n") for line in sys.stdin if line.strip())


def _print_lines(form: str, kind: type[Any], found: Iterable[Any]) -> None:
    """Frozen dataclasses of one kind, as they come; CSV has a heading."""
    lines = csv.writer(sys.stdout, lineterminator="\n")
    if form == "csv":
        lines.writerow([field.name for field in dataclasses.fields(kind)])
    for one in found:
        values = dataclasses.asdict(one)
        if form == "csv":
            lines.writerow([_cell(value) for value in values.values()])
        else:
            print(json.dumps(values, ensure_ascii=False, default=str))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    return "; ".join(value) if isinstance(value, tuple) else str(value)
