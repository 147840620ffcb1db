"""The command `compare`: several methods on one suite, a table and a report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from anchorline.cli.options import (
    Device,
    EncoderName,
    MeasureOptions,
    MemoryLimit,
    Overwrite,
    SuiteOptions,
    Trackers,
)


@dataclass(frozen=True)
class Compare:
    """Adapt an encoder by several methods, measure all, write a report."""

    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    measure: tyro.conf.OmitArgPrefixes[MeasureOptions]
    encoder: EncoderName = "pictogram-clip"
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
    overwrite: Overwrite = False
    track: Trackers = ()
    device: Device = ""
    memory_limit: MemoryLimit = 4.0


def compare(command: Compare) -> None:
    from anchorline.cli import shared
    from anchorline.cli.inputs import read_options, read_suite
    from anchorline.cli.tables import summary_table
    from anchorline.encoders.loading import load_encoder
    from anchorline.methods.table import SHOWN
    from anchorline.tasks.classification import comparing

    begun = time.perf_counter()
    settings = shared.settings_of(command.set, command.constraint)
    rows = shared.rows_of(command.method or SHOWN, settings)  # before anything long
    options = read_options(command.measure)
    suite = read_suite(command.data)
    with shared.narrator() as narrator:
        narrator.say(f"loading {command.encoder} …")
        comparison = comparing.compare(
            suite,
            load_encoder(command.encoder, command.device or None),
            rows,
            command.out,
            seeds=shared.seeds_of(command.seeds),
            select=command.select,
            options=options,
            store=shared.store_of(command.memory_limit),
            narrator=narrator,
            trackers=command.track,
            overwrite=command.overwrite,
        )
    shared.console().print(summary_table(comparison.rows))
    shared.print_notes(comparison.suite.notes)
    shared.print_line(f"{time.perf_counter() - begun:.0f} s in all. Report: {comparison.report.resolve()}")
