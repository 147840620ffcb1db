"""The page of a continual comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from anchorline.encoder import Encoder
from anchorline.evaluation import MSP_TEMPERATURE
from anchorline.methods import UNTOUCHED
from anchorline.report.cells import DASH
from anchorline.studies.figure_page import Chart, Sheet, measured, write_page
from anchorline.suites.suite import Suite
from anchorline.tasks.continual.figures import curve_figure, final_figure, matrix_figure, shown
from anchorline.tasks.continual.running import Learnt

_PANELS = {
    "average_accuracy": "A<sub>1:N</sub> (%)",
    "forgetting": "F<sub>N</sub> (points)",
    "shift_accuracy": "shifts (%)",
    "auroc": "AUROC (%)",
}
_COLUMNS = {  # of the final table
    "average_accuracy": "A₁:ɴ, %",
    "forgetting": "Fɴ, points",
    "forgetting_from_best": "F from best, points",
    "shift_accuracy": "shifts, %",
    "delta_shift": "change, points",
    "auroc": "AUROC, %",
    "delta_auroc": "change, points",
    "seconds": "seconds",
}
_CURVES = (  # metric, heading, what is to be seen, title of the axis
    (
        "average_accuracy", "Accuracy on the classes seen so far",
        "Mean accuracy over the tasks learnt so far, all their classes competing. The task gets harder with every "
        "class: the untouched encoder falls too.",
        "A<sub>1:t</sub> (%)",
    ),
    (
        "forgetting", "Forgetting",
        "How much the accuracy on the images of earlier tasks falls each time that another task is learnt. Part of "
        "it is the new classes that compete: see the untouched encoder.",
        "F<sub>t</sub> (points)",
    ),
    (
        "delta_shift", "What was lost on shifts",
        "Change of the mean accuracy over the shifted sets against the untouched encoder, on the classes seen so far.",
        "change (points)",
    ),
    (
        "delta_auroc", "What was lost on outliers",
        "Change of the mean AUROC over the outlier sets against the untouched encoder, test images of the classes "
        "seen so far being in distribution.",
        "change (points)",
    ),
)  # fmt: skip


def write_report(
    path: Path,
    rows: pd.DataFrame,
    matrix: pd.DataFrame,
    learnt: Sequence[Learnt],
    suite: Suite,
    encoder: Encoder,
    rehearsal: int,
) -> None:
    """Write the page. `rows` and `matrix` are results.csv and matrix.csv; `learnt` tells what val chose."""
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
            charts.append(Chart(title, f"{text} {spread}", curve_figure(own, axis), _curve_sheet(own)))
    charts.append(
        Chart(
            "Accuracy of every task after every task",
            "R[t, i], means over seeds: after task t (downwards), the accuracy on the test images of task i (to the "
            "right), all classes seen competing. The diagonal is what was just learnt; what fades below it is "
            "forgotten. The table is the last row of each.",
            matrix_figure(matrix, methods),
            _matrix_sheet(matrix, methods),
        )
    )
    last = int(rows.task.max())
    write_page(
        path,
        title=f"{suite.name} in {last} tasks with {encoder.name}",
        summary=list(_sentences(final)),
        charts=charts,
        facts={**measured(suite, encoder), **_facts(suite, learnt, last, rehearsal, seeds)},
    )


def points_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and deviation over seeds of the summary figures; columns method, metric, task, mean, deviation (NaN
    of one seed)."""
    own = rows[rows.role == "summary"]
    by = own.groupby(["method", "metric", "task"], sort=False).value
    return by.agg(mean="mean", deviation="std").reset_index()


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
    yield (
        f"In sequence, {best} knows most in the end: {value(best, 'average_accuracy')} % of the test images; the "
        f"untouched encoder has {value(UNTOUCHED, 'average_accuracy')} %{bound}."
    )
    for metric, what in (("delta_shift", "on shifts"), ("delta_auroc", "in AUROC on outliers")):
        changes = final[(final.metric == metric) & final.method.isin(own.method)]
        if not changes.empty:
            high = changes.loc[changes["mean"].idxmax()]
            low = changes.loc[changes["mean"].idxmin()]
            yield (
                f"Against the untouched encoder, {high.method} does best {what} ({high['mean']:+.1f} points) and "
                f"{low.method} worst ({low['mean']:+.1f})."
            )


def final_sheet(points: pd.DataFrame) -> Sheet:
    """What stands after the last task, a row a method; `points` are those of `points_of`."""
    final = points[points.task == points.task.max()]
    known = [metric for metric in _COLUMNS if (final.metric == metric).any()]
    cells = {(point.method, point.metric): shown(pd.Series(point._asdict())) for point in final.itertuples()}
    methods = dict.fromkeys(final.method)
    rows = [[m, *(cells.get((m, metric), DASH) for metric in known)] for m in methods]
    return Sheet(["", *(_COLUMNS[metric] for metric in known)], rows)


def _curve_sheet(points: pd.DataFrame) -> Sheet:
    tasks = sorted(set(points.task))
    rows = []
    for method, own in points.groupby("method", sort=False):
        by_task: Mapping[int, str] = {int(p.task): shown(p) for _, p in own.iterrows()}
        rows.append([str(method), *(by_task.get(task, DASH) for task in tasks)])
    return Sheet(["after task", *map(str, tasks)], rows)


def _matrix_sheet(matrix: pd.DataFrame, methods: Sequence[str]) -> Sheet:
    last = int(matrix.task.max())
    own = matrix[matrix.after_task == last].groupby(["method", "task"]).accuracy.agg(["mean", "std"])
    points = own.rename(columns={"std": "deviation"})
    tasks = range(1, last + 1)
    rows = [[m, *(shown(points.loc[(m, task)]) for task in tasks)] for m in methods]
    return Sheet(["test images of task", *map(str, tasks)], rows)


def _facts(
    suite: Suite, learnt: Sequence[Learnt], tasks: int, rehearsal: int, seeds: Sequence[int]
) -> dict[str, str]:
    sizes = sorted({len(part) for part in _parts(len(suite.classes), tasks)})
    every = [
        f"{one.row.name} (seed {one.classifier.seed}): "
        + ", ".join(f"{path} {value:g}" for path, value in one.classifier.chosen.items())
        for one in learnt
        if one.classifier.chosen
    ]
    kept = (
        f"{rehearsal} training images in all, balanced by class, learnt together with the task's own; all classes "
        "seen compete while a task is learnt"
        if rehearsal
        else "none: no training image is seen again, and only the task's own classes compete while it is learnt"
    )
    return {
        "Tasks": f"{tasks} of {' or '.join(map(str, sizes))} classes, in an order drawn by seed; at test time all "
        "classes seen compete",
        "Rehearsal": kept,
        "Methods": "; ".join(
            f"{one.row.name}: {one.row.about}" for one in learnt if one.classifier.seed == seeds[0]
        ),
        "Seeds": ", ".join(map(str, seeds)),
        "Learning rate": "one for the whole sequence, the one of two with the best A₁:ɴ on the val images of all "
        "tasks, which nobody is trained on; the best epoch of a task is chosen on the task's own val images",
        "Chosen on val": "; ".join(every) or "nothing",
        "A₁:ɴ": "mean over tasks of the accuracy on their test images, all classes competing (arXiv 2203.17269)",
        "Fɴ": "mean over tasks t of the mean loss of accuracy on tasks before t from learning t (the released code "
        "of arXiv 2211.13218); F from best: the mean loss since the best (arXiv 1801.10112)",
        "Shifts": "mean over shifted sets of the accuracy on the images of classes seen",
        "AUROC": "test images of classes seen against each outlier set, by maximum softmax probability at "
        f"temperature {MSP_TEMPERATURE:g}; mean over the sets",
    }


def _parts(classes: int, tasks: int) -> list[range]:
    return [range(number, classes, tasks) for number in range(tasks)]
