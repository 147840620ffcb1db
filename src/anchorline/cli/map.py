"""The command `map`: shifted images as points, under several methods."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from anchorline.cli.options import Device, EncoderName, MemoryLimit, Overwrite, SuiteOptions


@dataclass(frozen=True)
class Map:
    """Draw shifted images as points under several methods: who lies beside whom."""

    data: tyro.conf.OmitArgPrefixes[SuiteOptions]
    encoder: EncoderName = "pictogram-clip"
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
    overwrite: Overwrite = False
    device: Device = ""
    memory_limit: MemoryLimit = 4.0


def draw_map(command: Map) -> None:
    from anchorline.classifier.adapted import AdaptedClassifier
    from anchorline.cli import shared
    from anchorline.cli.inputs import read_suite
    from anchorline.encoders.features import suite_features
    from anchorline.encoders.loading import load_encoder
    from anchorline.engine.directories import Named
    from anchorline.errors import UserError
    from anchorline.experiments.maps import mapping
    from anchorline.tasks.classification.adapting import adapt

    rows = shared.rows_of(command.method or mapping.METHODS, shared.settings_of(command.set))
    suite = read_suite(command.data)
    if not suite.shifts:  # before anything long
        raise UserError("a map shows shifted images, and there are none; name a set with --shift NAME=DIR")
    store = shared.store_of(command.memory_limit)
    with shared.narrator() as narrator:
        narrator.say(f"loading {command.encoder} …")
        encoder = load_encoder(command.encoder, command.device or None)
        about = {
            "suite": Named(suite.name, suite.hash), "encoder": Named(encoder.name, encoder.hash),
        }  # fmt: skip
        mapping.claim_map(command.out, about, command.overwrite)
        suite, _ = suite_features(store, encoder, suite, narrator.bar, (*suite.outliers, "test"))
        classifiers: list[AdaptedClassifier] = []
        for row in rows:
            run = command.out / "runs" / row.name / f"seed-{command.seed}"
            classifiers.append(
                adapt(
                    encoder, suite, row, command.seed, store,
                    run=run, narrator=narrator, reuse=classifiers, overwrite=command.overwrite,
                )
            )  # fmt: skip
        found = mapping.draw_map(
            classifiers,
            suite,
            store,
            command.out,
            images=command.images,
            seed=command.seed,
            narrator=narrator,
        )
    shared.print_line(f"Page: {found.page.resolve()}")
