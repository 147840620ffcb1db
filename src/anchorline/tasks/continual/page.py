"""The page of a continual comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from anchorline.encoders.encoder import Encoder
from anchorline.metric import MSP_TEMPERATURE, UNTOUCHED
from anchorline.report.chart_page import Chart, write_page
from anchorline.report.tables.cells import signed
from anchorline.report.tables.published import published_section
from anchorline.suites.suite import Suite
from anchorline.tasks.continual.figures import curve_figure, final_figure, matrix_figure, shown
from anchorline.tasks.continual.runs import Learnt
from anchorline.tasks.continual.tables import curve_sheet, final_sheet, matrix_sheet, points_of
from anchorline.tasks.facts import how_measured

_PANELS = {
    "average_accuracy": "A<sub>1:N</sub> (%)",
    "forgetting": "F<sub>N</sub> (points)",
    "shift_accuracy": "shifts (%)",
    "auroc": "AUROC (%)",
}
_CURVES = (  # metric, heading, what is to be seen, title of the axis
    (
        "average_accuracy",
        "Accuracy on the classes seen so far",
        "Mean accuracy over the tasks learnt so far, all their classes competing. It gets harder with every "
        "class: the untouched encoder falls too.",
        "A<sub>1:t</sub> (%)",
    ),
    (
        "forgetting",
        "Forgetting",
        "How much the accuracy on the images of earlier tasks falls each time that another task is learnt. "
        "Part of it is the new classes that compete, as the untouched encoder shows, which cannot forget.",
        "F<sub>t</sub> (points)",
    ),
    (
        "delta_shift",
        "What was lost on shifts",
        "Change of the mean accuracy over the shifted sets against the untouched encoder, on the classes "
        "seen so far.",
        "change (points)",
    ),
    (
        "delta_auroc",
        "What was lost on outliers",
        "Change of the mean AUROC over the outlier sets against the untouched encoder; test images of the "
        "classes seen so far are in distribution.",
        "change (points)",
    ),
)

_HIDING = "A click on the legend hides a line."


def write_report(
    path: Path,
    rows: pd.DataFrame,
    matrix: pd.DataFrame,
    learnt: Sequence[Learnt],
    suite: Suite,
    encoder: Encoder,
    rehearsal: int,
    published: pd.DataFrame,
) -> None:
    """Write the page. `rows` and `matrix` are results.csv and matrix.csv, `published` is what
    `anchorline.report.published.beside` gave; `learnt` tells what val chose."""
    points = points_of(rows)
    final = points[points.task == points.task.max()]
    methods = list(dict.fromkeys(points.method))
    seeds = sorted(set(rows.seed))
    spread = (
        f"Means over {len(seeds)} seeds, each with its own order of the classes; ± one standard deviation "
        "between them."
        if len(seeds) > 1
        else "One seed: how far another order of the classes would differ is not known."
    )
    panels = {metric: title for metric, title in _PANELS.items() if (final.metric == metric).any()}
    charts = [
        Chart(
            "In the end",
            f"After the last task. The dashed line is the untouched encoder. {spread}",
            final_figure(final, panels),
            final_sheet(points),
        )
    ]
    for metric, title, text, axis in _CURVES:
        own = points[points.metric == metric]
        if not own.empty and own.task.nunique() > 1:
            charts.append(
                Chart(title, f"{text} {spread} {_HIDING}", curve_figure(own, axis), curve_sheet(own))
            )
    charts.append(
        Chart(
            "Accuracy of every task after every task",
            "R[t, i] in percent, means over seeds: after task t (downwards), the accuracy on the test images "
            "of task i (to the right), all classes seen competing. The diagonal is what was just learnt; "
            "what fades below it is forgotten. The table is the last row of each.",
            matrix_figure(matrix, methods),
            matrix_sheet(matrix, methods),
        )
    )
    last = int(rows.task.max())
    write_page(
        path,
        title=f"{suite.name} in {last} tasks with {encoder.name}",
        summary=list(_sentences(final)),
        charts=charts,
        more=published_section(published),
        facts={**how_measured(suite, encoder), **_facts(suite, learnt, last, rehearsal, seeds)},
    )


def _sentences(final: pd.DataFrame) -> Iterator[str]:
    def value(method: str, metric: str) -> str:
        own = final[(final.method == method) & (final.metric == metric)]
        return shown(own.iloc[0])

    own = final[(final.metric == "average_accuracy") & ~final.method.isin((UNTOUCHED, "joint"))]
    if own.empty:
        return
    best = str(own.loc[own["mean"].idxmax()].method)
    bound = ""
    if (final.method == "joint").any():
        bound = f"; all classes learnt at once reach {value('joint', 'average_accuracy')} %"
    ours, untouched = (value(method, "average_accuracy") for method in (best, UNTOUCHED))
    yield (
        f"Learning task after task, {best} knows most in the end: {ours} % accuracy, all classes competing; "
        f"the untouched encoder has {untouched} %{bound}."
    )
    for metric, what in (("delta_shift", "on shifts"), ("delta_auroc", "in AUROC on outliers")):
        changes = final[(final.metric == metric) & final.method.isin(own.method)]
        if not changes.empty:
            high = changes.loc[changes["mean"].idxmax()]
            low = changes.loc[changes["mean"].idxmin()]
            ends = f"{high.method} does best ({signed(round(float(high['mean']), 1), 1)} points)"
            if high.method != low.method:
                ends += f" and {low.method} worst ({signed(round(float(low['mean']), 1), 1)})"
            yield f"Against the untouched encoder, {what}, {ends}."


def _facts(
    suite: Suite, learnt: Sequence[Learnt], tasks: int, rehearsal: int, seeds: Sequence[int]
) -> dict[str, str]:
    sizes = {len(range(number, len(suite.classes), tasks)) for number in range(tasks)}
    chosen = [
        f"{one.row.name} (seed {one.seed}): "
        + ", ".join(f"{path} {value:g}" for path, value in one.chosen.items())
        for one in learnt
        if one.chosen
    ]
    kept = (
        f"{rehearsal} training images in all, balanced by class, are learnt together with the task's own; "
        "all classes seen compete while a task is learnt"
    )
    none = "none: no training image is seen again, and a task's own classes alone compete while it is learnt"
    return {
        "Tasks": f"{tasks}, of {' or '.join(map(str, sorted(sizes)))} classes each, in an order drawn by "
        "seed; at test time all classes seen compete",
        "Rehearsal": kept if rehearsal else none,
        "Methods": "; ".join(f"{one.row.name}: {one.row.about}" for one in learnt if one.seed == seeds[0]),
        "Seeds": ", ".join(map(str, seeds)),
        "Notes": "; ".join(suite.notes) or "none",
        "Learning rate": "one for the whole sequence, that of those tried with the best A on the val images "
        "of all tasks; nothing is trained on val. A task keeps its best epoch on its own val images",
        "Chosen on val": "; ".join(chosen) or "nothing",
        "A": "mean over the tasks so far of the accuracy on their test images (arXiv 2203.17269)",
        "F": "mean over tasks t from the second of the mean accuracy that tasks before t lose while t is "
        "learnt (released code of arXiv 2211.13218); F from best: since their best (arXiv 1801.10112)",
        "Shifts": "mean over the shifted sets of the accuracy on images of the classes seen",
        "AUROC": "test images of the classes seen against each outlier set, by the maximum softmax "
        f"probability at temperature {MSP_TEMPERATURE:g}; mean over the sets",
    }
