"""The command `report`: finished comparisons as one page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

_OURS = '<meta name="generator" content="anchorline'  # in the head of each page


@dataclass(frozen=True)
class Report:
    """Write one report of several comparisons of the same suite and encoder, made on different days."""

    run: tyro.conf.Positional[tuple[Path, ...]]
    """Directories that 'compare' wrote."""
    out: Path = Path("runs/report.html")
    """The page to write."""


def report(command: Report) -> None:
    from anchorline.cli import shared
    from anchorline.engine.outputs import check_replaceable
    from anchorline.errors import UserError
    from anchorline.report import merge, write_report

    if not command.run:
        raise UserError(
            "no comparison is given; name directories that 'anchorline compare' wrote (its --out)"
        )
    check_replaceable(command.out, _OURS, "a page")
    try:
        merged = merge(command.run)
    except ValueError as error:
        raise UserError(str(error)) from error
    first = merged.rows.iloc[0]
    write_report(
        command.out,
        title=f"{first.suite} with {first.encoder}",
        rows=merged.rows,
        curves=merged.curves,
        movements=merged.movements,
        differences=merged.differences,
        published=merged.published,
        facts=merged.facts,
        notes=merged.notes,
    )
    shared.print_line(f"Report: {command.out.resolve()}")
