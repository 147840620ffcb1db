"""The tables and the page of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anchorline.report import write_report
from anchorline.report.published import Published, beside, write_published
from anchorline.tasks.classification.facts import facts, guarantee, notes
from anchorline.tasks.classification.gathering import Gathered
from anchorline.tasks.classification.measuring import Measured
from anchorline.tasks.comparison import write_tables


def write(
    directory: Path, found: Gathered, asked: Measured, encoding: float, published: Sequence[Published]
) -> None:
    """What was found, as files of the directory; `encoding`: seconds that all sets took."""
    suite, encoder, options = asked.suite, asked.encoder, asked.options
    papers = beside(found.rows, published)
    write_tables(
        directory, found.rows,
        differences=found.differences, alpha=found.curves, movement=found.movements,
    )  # fmt: skip
    write_published(directory, papers)
    write_report(
        directory / "report.html",
        title=f"{suite.name} with {encoder.name}",
        rows=found.rows,
        details=found.details,
        curves=found.curves,
        movements=found.movements,
        differences=found.differences,
        facts=facts(suite, encoder, found.records, encoding, options),
        notes=notes(suite, encoder, found.records, found.left_out),
        guarantee=guarantee(suite, options),
        published=papers,
    )
