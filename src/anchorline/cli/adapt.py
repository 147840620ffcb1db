"""The command `adapt`: one method, kept in a run directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from anchorline.cli.options import Device, EncoderName, MemoryLimit, Overwrite, SuiteOptions, Trackers


@dataclass(frozen=True)
class Adapt:
    """Adapt an encoder by one method and keep the classifier in a run directory."""

    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    method: str
    """A row of the table of methods ('anchorline methods')."""
    encoder: EncoderName = "pictogram-clip"
    constraint: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """What holds the weights: l2-sp, mars-sp, tpgm, ftp, spd or none; short for --set constraint=NAME."""
    set: tuple[str, ...] = ()
    """Choices to change, FIELD=VALUE: training.epochs=5 blend=residual."""
    seed: int = 0
    """Of all random numbers."""
    out: Path | None = None
    """The run directory (left out: runs/adapt/METHOD/seed-SEED); the same command goes on from there."""
    overwrite: Overwrite = False
    device: Device = ""
    memory_limit: MemoryLimit = 4.0
    track: Trackers = ()


def adapt(command: Adapt) -> None:
    from anchorline.cli import shared
    from anchorline.cli.inputs import read_suite
    from anchorline.encoders.features import suite_features
    from anchorline.encoders.loading import load_encoder
    from anchorline.tasks.classification import adapting
    from anchorline.tasks.facts import unfit

    settings = shared.settings_of(command.set, command.constraint)
    (row,) = shared.rows_of((command.method,), settings, strict=True)
    suite = read_suite(command.data, measured=False)
    store = shared.store_of(command.memory_limit)
    out = command.out or Path("runs/adapt") / row.name / f"seed-{command.seed}"
    with shared.narrator() as narrator:
        narrator.say(f"loading {command.encoder} …")
        encoder = load_encoder(command.encoder, command.device or None)
        for note in unfit(suite, encoder):
            narrator.say(f"note: {note}")
        suite, _ = suite_features(
            store, encoder, suite, narrator.bar, (*suite.shifts, *suite.outliers, "test")
        )
        classifier = adapting.adapt(
            encoder,
            suite,
            row,
            command.seed,
            store,
            run=out,
            narrator=narrator,
            trackers=command.track,
            overwrite=command.overwrite,
        )
    chosen = ", ".join(f"{name} {value:g}" for name, value in classifier.chosen.items())
    shared.print_line(
        f"{row.name}: {classifier.parameters:,} parameters trained in {classifier.seconds:.1f} s"
        f"{f'; chosen on val: {chosen}' if chosen else ''}. Run: {out.resolve()}"
    )
