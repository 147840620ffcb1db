"""What each command takes, as frozen dataclasses; their docstrings are the help texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from anchorline.cli.options import MeasureOptions, SuiteOptions


@dataclass(frozen=True)
class Compare:
    """Adapt an encoder by several methods, measure all, write a report."""

    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    measure: tyro.conf.OmitArgPrefixes[MeasureOptions]
    encoder: str = "pictogram-clip"
    """pictogram-clip, MODEL:TAG of open_clip, MODEL:FILE, hf-hub:OWNER/NAME or local-dir:DIR."""
    method: tuple[str, ...] = ()
    """Rows of the table of methods ('anchorline methods'), or "all"; left out: one of each family. The
    untouched encoder is always added."""
    constraint: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """What holds the weights of every method that trains pre-trained ones: l2-sp, mars-sp, tpgm, ftp, spd or
    none; short for --set constraint=NAME."""
    set: tuple[str, ...] = ()
    """Choices to change, FIELD=VALUE, in every method that has them: training.epochs=5 tunable.width=0.1."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of the methods that draw random numbers; figures are means over them."""
    select: Literal["val", "oracle"] = "val"
    """What chooses hyper-parameters: val, or, to see what that costs, test and all shifts (marked everywhere:
    such figures are too good)."""
    out: Path = Path("runs/compare")
    """Directory for results.jsonl, results.csv, report.html and one run a method and seed; the same command
    goes on from what is there."""
    track: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """Also log training to these: tensorboard, wandb, trackio (each needs its package)."""
    device: str = ""
    """cpu, cuda, cuda:1 …; left out: the GPU if there is one."""
    memory_limit: float = 4.0
    """GiB of decoded images to hold in memory; beyond it they lie in a temporary file."""


@dataclass(frozen=True)
class Adapt:
    """Adapt an encoder by one method and keep the classifier in a run directory."""

    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    method: str
    """A row of the table of methods ('anchorline methods')."""
    encoder: str = "pictogram-clip"
    """pictogram-clip, MODEL:TAG of open_clip, MODEL:FILE, hf-hub:OWNER/NAME or local-dir:DIR."""
    constraint: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """What holds the weights: l2-sp, mars-sp, tpgm, ftp, spd or none; short for --set constraint=NAME."""
    set: tuple[str, ...] = ()
    """Choices to change, FIELD=VALUE: training.epochs=5 blend=residual."""
    seed: int = 0
    """Of all random numbers."""
    out: Path | None = None
    """The run directory (left out: runs/adapt/METHOD/seed-SEED); the same command goes on from there."""
    device: str = ""
    """cpu, cuda, cuda:1 …; left out: the GPU if there is one."""
    memory_limit: float = 4.0
    """GiB of decoded images to hold in memory; beyond it they lie in a temporary file."""
    track: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """Also log training to these: tensorboard, wandb, trackio (each needs its package)."""


@dataclass(frozen=True)
class Predict:
    """Classify images with an adapted classifier; what it does not know is "unknown". Or draw the masks of a
    segmentation."""

    run: tyro.conf.Positional[Path]
    """A run directory of 'adapt', 'compare' or 'segment'."""
    images: tyro.conf.Positional[tuple[str, ...]] = ()
    """Files, folders (searched through) and patterns such as 'photos/*.jpg'; "-" reads paths from standard
    input."""
    format: Literal["csv", "jsonl"] = "csv"
    """Of the lines on standard output."""
    out: Path | None = None
    """Of a segmentation: directory for masks/ (PNGs of class indices) and overlays/ (the image, coloured)."""
    bad_images: Literal["error", "skip"] = "error"
    """What to do with images that cannot be read."""
    encoder: str = ""
    """Where the encoder is now, if not where it was adapted from."""
    device: str = ""
    """cpu, cuda, cuda:1 …; left out: the GPU if there is one."""


@dataclass(frozen=True)
class Evaluate:
    """Measure classifiers that 'compare' saved, on any images of their classes; prints the main figures."""

    run: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories, OUT/runs/METHOD/seed-SEED."""
    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    measure: tyro.conf.OmitArgPrefixes[MeasureOptions]
    out: Path | None = None
    """Also write every figure, a row each, into this CSV file."""
    encoder: str = ""
    """Where the encoder is now, if not where it was adapted from."""
    device: str = ""
    """cpu, cuda, cuda:1 …; left out: the GPU if there is one."""


@dataclass(frozen=True)
class Methods:
    """Print the table of methods."""


@dataclass(frozen=True)
class Encoders:
    """List the encoders that --encoder takes."""

    name: tyro.conf.Positional[str] = ""
    """Show the pre-trained weights of the open_clip architectures that have this in their name."""


@dataclass(frozen=True)
class Suites:
    """List the suites: those in the package, and public benchmarks that you have on disk."""

    name: tyro.conf.Positional[str] = ""
    """Say where to get each part of this benchmark, and how it must lie."""
    root: Path | None = None
    """Check what of it lies in this directory."""
    download: bool = False
    """Get into --root what may be downloaded without asking anybody."""


@dataclass(frozen=True)
class Ablate:
    """Vary one choice of the Reprogrammer and draw the three axes against it."""

    name: tyro.conf.Positional[Literal["padding", "residual", "programs", "objective"]]
    """padding: width of the frame; residual: its strength; programs: image, text or both; objective."""
    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    encoder: str = "pictogram-clip"
    """pictogram-clip, MODEL:TAG of open_clip, MODEL:FILE, hf-hub:OWNER/NAME or local-dir:DIR."""
    method: str = ""
    """The row to vary, if not the reprogrammer at its released learning rate."""
    set: tuple[str, ...] = ()
    """Choices to change in all variants, FIELD=VALUE: training.epochs=5."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds; figures are means over them."""
    out: Path | None = None
    """Directory for ablation.csv, ablation.html and the runs (left out: runs/ablate/NAME)."""
    device: str = ""
    """cpu, cuda, cuda:1 …; left out: the GPU if there is one."""
    memory_limit: float = 4.0
    """GiB of decoded images to hold in memory; beyond it they lie in a temporary file."""


@dataclass(frozen=True)
class Map:
    """Draw shifted images as points under several methods: who lies beside whom."""

    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    encoder: str = "pictogram-clip"
    """pictogram-clip, MODEL:TAG of open_clip, MODEL:FILE, hf-hub:OWNER/NAME or local-dir:DIR."""
    method: tuple[str, ...] = ()
    """Rows of the table of methods; left out: zero-shot, linear-probe and both reprogrammers."""
    set: tuple[str, ...] = ()
    """Choices to change, FIELD=VALUE, in every method that has them."""
    images: int = 500
    """How many shifted images."""
    seed: int = 0
    """Of all random numbers."""
    out: Path = Path("runs/map")
    """Directory for map.csv, map.html and the runs."""
    device: str = ""
    """cpu, cuda, cuda:1 …; left out: the GPU if there is one."""
    memory_limit: float = 4.0
    """GiB of decoded images to hold in memory; beyond it they lie in a temporary file."""


@dataclass(frozen=True)
class Report:
    """Write one report of several comparisons of the same suite and encoder, made on different days."""

    run: tyro.conf.Positional[tuple[Path, ...]]
    """Directories that 'compare' wrote."""
    out: Path = Path("runs/report.html")
    """The page to write."""
