"""The command `ablate`: one choice of the Reprogrammer at several values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from anchorline.cli.options import Device, EncoderName, MemoryLimit, Overwrite, SuiteOptions


@dataclass(frozen=True)
class Ablate:
    """Vary one choice of the Reprogrammer and draw the three axes against it."""

    name: tyro.conf.Positional[Literal["padding", "residual", "programs", "objective"]]
    """padding: width of the frame; residual: its strength; programs: image, text or both; objective."""
    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    encoder: EncoderName = "pictogram-clip"
    method: str = ""
    """The row to vary, if not the reprogrammer at its released learning rate."""
    set: tuple[str, ...] = ()
    """Choices to change in all variants, FIELD=VALUE: training.epochs=5."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds; figures are means over them."""
    out: Path | None = None
    """Directory for ablation.csv, ablation.html and the runs (left out: runs/ablate/NAME)."""
    overwrite: Overwrite = False
    device: Device = ""
    memory_limit: MemoryLimit = 4.0


def ablate(command: Ablate) -> None:
    from anchorline.cli import shared
    from anchorline.cli.inputs import read_suite
    from anchorline.encoders.loading import load_encoder
    from anchorline.experiments.ablation import ablating

    settings = shared.settings_of(command.set)
    suite = read_suite(command.data)
    with shared.narrator() as narrator:
        narrator.say(f"loading {command.encoder} …")
        found = ablating.ablate(
            suite,
            load_encoder(command.encoder, command.device or None),
            command.name,
            command.out or Path("runs/ablate") / command.name,
            seeds=shared.seeds_of(command.seeds),
            store=shared.store_of(command.memory_limit),
            narrator=narrator,
            method=command.method or None,
            settings=settings,
            overwrite=command.overwrite,
        )
    shared.print_line(f"Page: {found.page.resolve()}")
