"""The command `predict`: what a run says of any images, a line each."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tyro

from anchorline.cli.options import Device, MovedEncoder
from anchorline.engine.terminal import shown
from anchorline.errors import UserError

_FORMULA = ("=", "+", "-", "@", "\t")


@dataclasses.dataclass(frozen=True)
class Predict:
    """Classify images with an adapted classifier; what it does not know is "unknown". Or draw the masks of a
    segmentation."""

    run: tyro.conf.Positional[Path]
    """A run directory of 'adapt', 'compare' or 'segment'."""
    images: tyro.conf.Positional[tuple[str, ...]] = ()
    """Files, folders (searched through) and patterns such as 'photos/*.jpg'; "-" reads paths from standard
    input."""
    format: Literal["csv", "jsonl"] = "csv"
    """Of the lines on standard output. In CSV a name that a spreadsheet would take for a formula gets an
    apostrophe before it."""
    out: Path | None = None
    """Of a segmentation: directory for masks/ (PNGs of class indices) and overlays/ (the image, coloured)."""
    bad_images: Literal["error", "skip"] = "error"
    """What to do with images that cannot be read."""
    encoder: MovedEncoder = ""
    device: Device = ""


def predict(command: Predict) -> None:
    from anchorline.classifier.prediction import found_images
    from anchorline.tasks.segmentation import is_segmentation_run

    load = _segmenter if is_segmentation_run(command.run) else _classifier
    kind, predictions = load(command)
    if not command.images:
        raise UserError('no images are given; name files, folders or patterns, or "-" for standard input')
    names = (name for given in command.images for name in (_lines() if given == "-" else [given]))
    skipped: list[str] = []
    found = predictions(found_images(names), bad_images=command.bad_images, skipped=skipped)
    _print_lines(command.format, kind, found)
    for sentence in skipped:
        warnings.warn(f"left out: {sentence}", stacklevel=1)


def _classifier(command: Predict) -> tuple[type[Any], Callable[..., Iterator[Any]]]:
    """The dataclass of a line, and what makes them of images. Raises `UserError`."""
    from anchorline.classifier.prediction import Prediction
    from anchorline.classifier.prediction import predict as predictions
    from anchorline.classifier.runs import load
    from anchorline.encoders.loading import load_encoder

    if command.out:
        raise UserError(f"--out is for the masks of a segmentation, and {command.run} is none; leave it out")
    device = command.device or None
    encoder = load_encoder(command.encoder, device) if command.encoder else None
    return Prediction, partial(predictions, load(command.run, encoder, device))


def _segmenter(command: Predict) -> tuple[type[Any], Callable[..., Iterator[Any]]]:
    """The same of a segmentation, whose lines name the masks that were drawn. Raises `UserError`."""
    from anchorline.tasks.segmentation import DrawnMask, predict_masks

    if command.out is None:
        raise UserError(f"{command.run} is a segmentation; say with --out DIR where its masks are to lie")
    if command.encoder:
        raise UserError(f"{command.run} is a segmentation, whose backbone is its own; leave --encoder out")
    return DrawnMask, partial(predict_masks, command.run, out=command.out, device=command.device or None)


def _lines() -> Iterator[str]:
    """Paths on standard input, a line each, or each before a NUL, as `find -print0` writes them."""
    for number, line in enumerate(sys.stdin):
        text = line.removeprefix("\ufeff") if number == 0 else line
        yield from (path for path in text.rstrip("\r\n").split("\0") if path.strip())


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
    text = shown("; ".join(value) if isinstance(value, tuple) else str(value))
    # A spreadsheet would compute what begins so (OWASP, CSV injection); JSON lines have every name as it is.
    return f"'{text}" if text.startswith(_FORMULA) else text
