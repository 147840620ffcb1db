"""The report: one HTML file that holds everything it shows and requests nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from anchorline.metric import SEGMENTATION_AXES
from anchorline.report.figures.severity import corruption_table, severity_curves
from anchorline.report.figures.trade import trade
from anchorline.report.html import render
from anchorline.report.numbers import Results
from anchorline.report.published import Published, beside
from anchorline.report.tables.published import published_section
from anchorline.tasks.segmentation.pictures import Example, hex_colour
from anchorline.tasks.segmentation.sentences import sentences
from anchorline.tasks.segmentation.tables import class_heat, methods_table, shift_table

_CLEAN, _SHIFTS, _CORRUPTIONS = SEGMENTATION_AXES


def write_report(
    path: Path,
    *,
    title: str,
    rows: pd.DataFrame,
    classes: Sequence[str],
    abouts: Mapping[str, str],
    examples: Sequence[Example],
    facts: Mapping[str, str],
    notes: Sequence[str] = (),
    published: Sequence[Published] = (),
) -> None:
    """Write the page about a comparison of segmentation.

    Args:
        path: the file to write.
        title: what was compared, on what.
        rows: as in results.csv.
        classes: names; `examples` hold indices into them.
        abouts: what each method is, by its name.
        examples: images beside their masks.
        facts: how this was measured: label and value, in the order to show.
        notes: sentences that the reader must know.
        published: figures of papers, to stand beside ours.
    """
    results = Results(rows)
    severity = severity_curves(results, _CLEAN, _CORRUPTIONS)
    render(
        "anchorline.tasks.segmentation",
        "page.html.j2",
        path,
        title=title,
        summary=sentences(results),
        several=results.seeds > 1,
        methods=methods_table(results),
        abouts=abouts,
        trades=_trades(results),
        shifts=shift_table(results) if results.shifts else None,
        severity=severity,
        corruptions=corruption_table(results, _CORRUPTIONS) if severity else None,
        classes=class_heat(results, classes),
        examples=examples,
        pictures_across=2 + len(results.methods),
        legend=_legend(examples, classes),
        published=published_section(beside(rows, published)),
        facts=facts,
        notes=notes,
    )


def _trades(results: Results) -> list[tuple[str, go.Figure]]:
    """(where, figure): mIoU on test against the means over corruptions and over shifts."""
    found = []
    for axis in (_CORRUPTIONS, _SHIFTS):
        titles = f"{_CLEAN.phrase} (%)", f"{axis.phrase} (%)"
        figure = trade(results, (_CLEAN, axis), titles)
        if figure:
            found.append((axis.where, figure))
    return found


def _legend(examples: Sequence[Example], classes: Sequence[str]) -> list[tuple[str, str]]:
    """(class, colour) of what the pictures show."""
    shown = sorted(set().union(*(example.shown for example in examples)))
    return [(classes[index], hex_colour(index)) for index in shown if index < len(classes)]
