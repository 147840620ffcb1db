"""What several commands take: which images, what to measure, and fields that mean the same in each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

_Folders = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=DIR [NAME=DIR …]")]

EncoderName = Annotated[
    str,
    tyro.conf.arg(
        help="pictogram-clip, MODEL:TAG of open_clip, MODEL:FILE or MODEL:TAG=FILE, hf-hub:OWNER/NAME or "
        "local-dir:DIR; with @bf16 after it in bfloat16."
    ),
]
MovedEncoder = Annotated[
    str, tyro.conf.arg(help="Where the encoder is now, if not where it was adapted from.")
]
Device = Annotated[str, tyro.conf.arg(help="cpu, cuda, cuda:1 …; left out: the GPU if there is one.")]
MemoryLimit = Annotated[
    float,
    tyro.conf.arg(help="GiB of decoded images to hold in memory; beyond it they lie in a temporary file."),
]
Overwrite = Annotated[
    bool,
    tyro.conf.arg(
        help="Replace what lies in the directory where it is of another suite or encoder, and runs with "
        "other settings; left out: such a directory is refused."
    ),
]
Trackers = Annotated[
    tuple[Literal["tensorboard", "trackio", "wandb"], ...],
    tyro.conf.arg(help="Also log training to these: tensorboard, wandb, trackio (each needs its package)."),
]


@dataclass(frozen=True)
class SuiteOptions:
    """Which images. Without any of these: the bundled suite `pictograms`."""

    suite: str = ""
    """A bundled suite's name, that of a known benchmark ('anchorline suites'), or a suite.toml that names the
    folders."""
    root: Path | None = None
    """Where a known benchmark lies on disk; 'anchorline suites NAME --root DIR' checks what is there."""
    train: Path | None = None
    """Folder of class folders to learn from: DIR/CLASS/*.jpg."""
    val: Path | None = None
    """Folder of class folders to choose on; left out, a fifth of train is split off, by class."""
    test: Path | None = None
    """Folder of class folders to measure accuracy on."""
    shift: _Folders = ()
    """Folders of class folders: same classes, other look."""
    outlier: _Folders = ()
    """Folders of images of no known class."""
    near: tuple[str, ...] = ()
    """Which outlier sets are near: things much like the classes. Their means are given apart."""
    bad_images: Literal["error", "skip"] | None = None
    """What to do with images that cannot be read; left out: error, or what the suite.toml says."""


@dataclass(frozen=True)
class MeasureOptions:
    """What to measure beyond what is always measured."""

    corruption: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME[/SEVERITY] …")] = ()
    """Corruptions of the test set, as in ImageNet-C: fog, fog/3, a group (noise, blur, weather, digital) or
    "all" (15 at 5 severities: 75 more test sets)."""
    subset: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=FILE …")] = ()
    """Files of class names, a line each: accuracy is also given with these classes alone."""
    reference: Path | None = None
    """CSV of reference models with columns id_accuracy and shift_accuracy in percent, for effective
    robustness: one line for all shifts; left out, each shift's goes through the untouched encoder."""
    keep: float = 0.95
    """Share of in-distribution images that the open-set decision keeps."""
    patches: bool = False
    """Also GL-MCM, which reads patches: test, val and outliers pass through each image tower once more."""
