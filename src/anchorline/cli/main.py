"""The commands: compare, adapt, predict, evaluate, methods, encoders, suites."""

from __future__ import annotations

import difflib
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

import anchorline
from anchorline.errors import UserError

_Folders = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=DIR [NAME=DIR …]")]


@dataclass(frozen=True)
class SuiteOptions:
    """Which images. Without any of these: the bundled suite `pictograms`."""

    suite: str = ""
    """A bundled suite's name, or a suite.toml that names the folders."""
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
    robustness; left out, the line goes through the untouched encoder."""
    keep: float = 0.95
    """Share of in-distribution images that the open-set decision keeps."""


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
    """Classify images with an adapted classifier; what it does not know is "unknown"."""

    run: tyro.conf.Positional[Path]
    """A run directory of 'adapt' or 'compare'."""
    images: tyro.conf.Positional[tuple[str, ...]] = ()
    """Files, folders (searched through) and patterns such as 'photos/*.jpg'; "-" reads paths from standard
    input."""
    format: Literal["csv", "jsonl"] = "csv"
    """Of the lines on standard output."""
    bad_images: Literal["error", "skip"] = "error"
    """What to do with images that cannot be read."""
    encoder: str = ""
    """Where the encoder is now, if not where it was adapted from."""
    device: str = ""
    """cpu, cuda, cuda:1 …; left out: the GPU if there is one."""


@dataclass(frozen=True)
class Evaluate:
    """Measure classifiers that 'compare' saved, on any images of their classes; prints the figures."""

    run: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories, OUT/runs/METHOD/seed-SEED."""
    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    measure: tyro.conf.OmitArgPrefixes[MeasureOptions]
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
    """List the bundled suites, with the size of every set."""


Command = Compare | Adapt | Predict | Evaluate | Methods | Encoders | Suites


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a user's mistake ends with one sentence on standard error and exit status 2."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments == ["--version"]:
        print(f"anchorline {anchorline.__version__}")
        return
    command: Command = tyro.cli(
        Command,
        prog="anchorline",
        description="Adapt a text-image encoder to your images without losing what it already knew.",
        args=_joined(arguments),
        config=(tyro.conf.ConsolidateSubcommandArgs,),
    )
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            _run(command)
    except UserError as error:
        _complain(str(error))
        sys.exit(2)
    except BrokenPipeError:  # `anchorline predict … | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        _complain("stopped; what is finished is kept, and the same command goes on from there")
        sys.exit(130)


def _run(command: Command) -> None:
    # Imported here: they take seconds, and --help must not wait for them.
    if isinstance(command, Compare | Adapt | Evaluate | Predict):
        from anchorline import commands

        if isinstance(command, Compare):
            commands.compare(command)
        elif isinstance(command, Adapt):
            commands.adapt(command)
        elif isinstance(command, Evaluate):
            commands.evaluate(command)
        else:
            commands.predict(command)
    else:
        from anchorline import listings

        if isinstance(command, Methods):
            listings.methods()
        elif isinstance(command, Encoders):
            listings.encoders(command.name)
        else:
            listings.suites()


def named_folders(flag: str, values: Sequence[str]) -> dict[str, Path]:
    """["a=dir", …] -> {"a": Path("dir"), …}. Raises `UserError`."""
    found: dict[str, Path] = {}
    for value in values:
        name, equals, folder = value.partition("=")
        if not (name and equals and folder):
            raise UserError(
                f"--{flag} {value}: expected NAME=DIR, for example --{flag} sketches=data/sketches"
            )
        if name in found:
            raise UserError(f"--{flag}: the name {name!r} is given twice; give each set its own")
        found[name] = Path(folder)
    return found


_GATHERED = ("--shift", "--outlier", "--near", "--method", "--set", "--corruption", "--subset")
_NAMES = ("--method", "--near", "--corruption")  # of these any number of plain values


def _joined(arguments: list[str]) -> list[str]:
    """--shift a=x --shift b=y means --shift a=x b=y: a repeated flag adds to what came before."""
    kept: list[str] = []
    gathered: dict[str, list[str]] = {}
    flag, first = "", False
    for argument in arguments:
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            flag = name if name in _GATHERED else ""
            if flag:
                gathered.setdefault(flag, []).extend([value] if equals else [])
                first = not equals
                continue
        # --shift a=x b=y RUN: what names no set, beyond the first value, belongs to the command.
        if flag and (first or "=" in argument or flag in _NAMES):
            gathered[flag].append(argument)
            first = False
        else:
            kept.append(argument)
    return kept + [part for name, values in gathered.items() for part in (name, *values)]


def _complain(sentence: str) -> None:
    Console(stderr=True, emoji=False).print(
        f"[bold red]anchorline:[/] {_plain(sentence)}", highlight=False, soft_wrap=True
    )


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    # Ours are for the user; those of libraries are for their authors.
    if category is UserWarning:
        Console(stderr=True, emoji=False).print(
            f"[bold yellow]warning:[/] {_plain(str(message))}", highlight=False, soft_wrap=True
        )


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


def suggestion(name: str, known: Sequence[str]) -> str:
    """ "; did you mean X?", or nothing."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
