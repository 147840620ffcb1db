"""The page of an ablation: the three axes of every variant, with their spread between seeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from anchorline.experiments.ablation.figure import PANELS, REFERENCES, ablation_figure, shown, split
from anchorline.experiments.ablation.table import Ablation
from anchorline.methods.table import Method
from anchorline.metric import CLASSIFICATION_AXES, UNTOUCHED, capitalized
from anchorline.report.chart_page import Chart, Sheet, write_page
from anchorline.tasks.classification.comparing import Comparison
from anchorline.tasks.facts import how_measured


def write_ablation(
    path: Path, ablation: Ablation, row: Method, table: pd.DataFrame, found: Comparison
) -> None:
    """Write the page. `table` has the columns of ablation.csv."""
    points = points_of(table)
    seeds = sorted(set(table.seed[table.variant != "untouched"]))
    if len(seeds) > 1:
        bars = "bands" if ablation.axis else "bars"
        spread = f"Means over {len(seeds)} seeds; {bars}: ± one standard deviation between seeds."
    else:
        spread = "One seed: how far another would differ is not known."
    same = "All panels span equally many points, so gaps compare. "
    chart = Chart(
        title="The three axes",
        text=f"{ablation.note} {spread} {same}Hover for values; a click on the legend hides a line.".strip(),
        figure=ablation_figure(points, ablation.axis),
        sheet=_sheet(points),
    )
    write_page(
        path,
        title=f"{row.name}: {ablation.about}",
        summary=list(_sentences(points)),
        charts=[chart],
        facts={
            **how_measured(found.suite, next(iter(found.classifiers.values())).encoder),
            "Seeds": ", ".join(map(str, seeds)),
            "Training": _training(row),
            "Axes": "top-1 accuracy on test; mean of the shifts’ accuracies; mean AUROC of the outlier sets "
            "(maximum softmax probability), as in the report.html beside this page",
        },
    )


def _training(row: Method) -> str:
    if row.training is None:
        return "follows no gradients"
    searched = [path for path, _ in row.search]
    chosen = f"; chosen on val for each variant: {', '.join(searched)}" if searched else ""
    rate = "" if "training.lr" in searched else f", learning rate {row.training.lr:g}"
    return f"epochs {row.training.epochs}, batch {row.training.batch_size}{rate}{chosen}"


def points_of(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds; columns method, variant, x, axis, mean, deviation
    (NaN of one seed)."""
    by = table.groupby(["method", "variant", "x", "axis"], sort=False, dropna=False).value
    return by.agg(mean="mean", deviation="std").reset_index()


def _sentences(points: pd.DataFrame) -> Iterator[str]:
    """Best and worst on each axis, against the untouched encoder."""
    untouched, varied = split(points)
    several = varied.method.nunique() > 1
    for axis in CLASSIFICATION_AXES:
        own = varied[varied.axis == axis.name]
        if own.empty:
            continue
        ends = [own.loc[own["mean"].idxmax()], own.loc[own["mean"].idxmin()]]
        best, worst = (
            (f"for {end.method}, " if several else "with ") + f"{end.variant} ({shown(end)}\u00a0%)"
            for end in ends
        )
        line = untouched[(untouched.axis == axis.name) & (untouched.method == UNTOUCHED)].iloc[0]
        yield (
            f"{capitalized(axis.phrase)} is highest {best} and lowest {worst}; the untouched encoder has "
            f"{shown(line)}\u00a0%."
        )


def _sheet(points: pd.DataFrame) -> Sheet:
    known = [axis for axis in PANELS if (points.axis == axis).any()]
    rows = []
    for (method, variant), own in points.groupby(["method", "variant"], sort=False):
        value = own.set_index("axis")
        cells = [shown(value.loc[axis]) if axis in value.index else "–" for axis in known]
        rows.append([REFERENCES.get(str(method), str(variant)), str(method), *cells])
    return Sheet(["", "method", *(PANELS[axis] for axis in known)], rows)
