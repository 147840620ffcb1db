"""The command `continual`: the classes of a suite in tasks, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from anchorline.cli.options import Device, EncoderName, MemoryLimit, Overwrite, SuiteOptions


@dataclass(frozen=True)
class Continual:
    """Learn the classes task after task, measure what is forgotten and what is lost on the way."""

    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    encoder: EncoderName = "pictogram-clip"
    tasks: int = 10
    """Into how many tasks of two classes or more the classes are cut, in an order drawn by seed."""
    method: tuple[str, ...] = ()
    """linear-probe, fine-tune, l2-sp, ftp, ftp-previous, wise-ft, residual-reprogrammer or joint; left out:
    all of them. The untouched encoder is always added."""
    rehearsal: int = 0
    """How many training images of old classes may be kept in all; 0: none."""
    set: tuple[str, ...] = ()
    """Choices to change, FIELD=VALUE, in every method that has them: training.epochs=5."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of the order of the classes and of training; figures are means over them."""
    out: Path = Path("runs/continual")
    """Directory for results.csv, matrix.csv, report.html and one run a method and seed; the same command goes
    on from what is there."""
    overwrite: Overwrite = False
    device: Device = ""
    memory_limit: MemoryLimit = 4.0


def continual(command: Continual) -> None:
    from rich import box
    from rich.table import Table

    from anchorline.cli import shared
    from anchorline.cli.inputs import read_suite
    from anchorline.encoders.loading import load_encoder
    from anchorline.tasks.continual import METHODS, changed, compare, find_continual
    from anchorline.tasks.continual.tables import final_sheet, points_of

    names = METHODS if "all" in command.method else command.method or METHODS
    rows = [find_continual(name) for name in names]  # before anything long
    rows = changed(rows, shared.settings_of(command.set))
    suite = read_suite(command.data)
    with shared.narrator() as narrator:
        narrator.say(f"loading {command.encoder} …")
        found = compare(
            suite,
            load_encoder(command.encoder, command.device or None),
            rows,
            command.out,
            tasks=command.tasks,
            rehearsal=command.rehearsal,
            seeds=shared.seeds_of(command.seeds),
            store=shared.store_of(command.memory_limit),
            narrator=narrator,
            overwrite=command.overwrite,
        )
    sheet = final_sheet(points_of(found.rows))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for number, heading in enumerate(sheet.columns):
        table.add_column(heading, justify="right" if number else "left", no_wrap=number == 0)
    for cells in sheet.rows:
        table.add_row(*cells)
    shared.console().print(table)
    shared.print_line(f"Report: {found.report.resolve()}")
