"""The command `evaluate`: finished runs measured on any images of their classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from anchorline.cli.options import Device, MeasureOptions, MovedEncoder, SuiteOptions

_OURS = "suite,suite_hash,encoder,encoder_hash,method,"  # how a table of results begins


@dataclass(frozen=True)
class Evaluate:
    """Measure classifiers that 'compare' saved, on any images of their classes; prints the main figures."""

    run: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories, OUT/runs/METHOD/seed-SEED."""
    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    measure: tyro.conf.OmitArgPrefixes[MeasureOptions]
    out: Path | None = None
    """Also write every figure, a row each, into this CSV file."""
    encoder: MovedEncoder = ""
    device: Device = ""


def evaluate(command: Evaluate) -> None:
    import pandas as pd

    from anchorline.classifier.runs import load
    from anchorline.cli import shared
    from anchorline.cli.inputs import read_options, suite_for
    from anchorline.cli.tables import sets_table
    from anchorline.encoders.loading import load_encoder
    from anchorline.engine.distributed import is_main_process
    from anchorline.engine.outputs import check_replaceable
    from anchorline.engine.storage import write_text
    from anchorline.errors import UserError
    from anchorline.tasks.classification import evaluating

    if not command.run:
        raise UserError(
            "no run is given; name directories such as OUT/runs/METHOD/seed-0 of an earlier 'compare'"
        )
    if command.out:
        check_replaceable(command.out, _OURS, "a table of figures")
    measured = read_options(command.measure)
    encoder = load_encoder(command.encoder, command.device or None) if command.encoder else None
    tables = []
    for run in command.run:
        classifier = load(run, encoder, command.device or None)
        suite = suite_for(command.data, classifier.classes)
        with shared.narrator() as narrator:
            rows = evaluating.evaluate(classifier, suite, options=measured, narrator=narrator)
        tables.append(rows)
        shared.console().print(sets_table(f"{classifier.method.name} on {suite.name}", rows))
    if command.out and is_main_process():
        write_text(command.out, pd.concat(tables).to_csv(index=False))
