"""The page of a comparison of classifiers: one HTML file that requests nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from anchorline.report.contents import contents, sections
from anchorline.report.details import MethodDetails
from anchorline.report.html import render
from anchorline.report.numbers import Results


def write_report(
    path: Path,
    *,
    title: str,
    rows: pd.DataFrame,
    details: Sequence[MethodDetails] = (),
    curves: pd.DataFrame | None = None,
    movements: pd.DataFrame | None = None,
    differences: pd.DataFrame | None = None,
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    guarantee: str = "",
    published: pd.DataFrame | None = None,
) -> None:
    """Write one self-contained HTML page about a comparison.

    Args:
        path: the file to write.
        title: what was compared, on what.
        rows: the results table, one row per (method, seed, set, metric); methods, shifts and
            outlier sets appear in the order in which they first occur.
        details: what else is known of each method, in the order to show; may lack methods.
        curves: the axes at each strength of each blend; columns method, seed, alpha (share of the pre-trained
            part: 0 is adapted alone, 1 untouched alone), chosen (whether it is the strength in use),
            id_accuracy, shift_accuracy, auroc (percent, NaN where unknown).
        movements: how far each layer moved; columns method, seed, epoch, parameter (in the order of the
            model), deviation (from the pre-trained weights, of the largest row: its sum of absolute values),
            radius (learned for it, in the same units, NaN where there is none).
        differences: tested differences between methods; columns a, b, axis (id_accuracy, shift_accuracy,
            auroc), difference (points, a less b), low, high (95 % interval), p (two-sided), p_holm (corrected
            over the pairs of the axis), significant (bool).
        facts: how this was measured: label and value, in the order to show.
        notes: sentences that the reader must know.
        guarantee: a sentence on what the open-set threshold promises here, such as the share to keep.
        published: figures of papers beside ours; the columns of `anchorline.report.published.COLUMNS`.

    Raises:
        UserError: the file cannot be written.
        ValueError: `rows` is empty or mixes suites or encoders, or a thumbnail is neither PNG
            nor JPEG, or the image of a frame no PNG.
    """
    if rows.empty:
        raise ValueError("a report needs at least one row of results")
    curves, movements, differences, published = (
        pd.DataFrame() if table is None else table for table in (curves, movements, differences, published)
    )
    page = contents(
        Results(rows), details, curves, movements, differences, published,
        title=title, facts=facts or {}, notes=notes, guarantee=guarantee,
    )  # fmt: skip
    render("anchorline.report", "template.html.j2", path, **vars(page), sections=sections(page))
