"""The tables of outlier detection: detectors x outlier sets, and methods x detectors."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from anchorline.metric import ID_POSITIVE, OUTLIER_POSITIVE
from anchorline.report.numbers import Results
from anchorline.report.tables.cells import DASH, Cell, Column, Table, mark_best, percent

GROUPS = {"near": "near", "far": "far", "all": "all sets"}  # in the order to show


@dataclass(frozen=True)
class Measure:
    """What is said of a detector on an outlier set; its rows hold `metric` and `convention`."""

    metric: str
    title: str
    convention: str = ""

    @property
    def pick(self) -> Callable[[Iterable[float]], float]:
        return min if self.metric in ("fpr95", "detection_error") else max


AUROC = Measure("auroc", "AUROC (%)")
FPR95 = Measure("fpr95", f"FPR95 (%), {ID_POSITIVE}", ID_POSITIVE)
FOLDED = (
    Measure("aupr_in", "AUPR (%), in-distribution images are the positives"),
    Measure("aupr_out", "AUPR (%), outliers are the positives"),
    Measure("detection_error", "Detection error (%)"),
    Measure("fpr95", f"FPR95 (%), {OUTLIER_POSITIVE}", OUTLIER_POSITIVE),
)


@dataclass(frozen=True)
class OfMethod:
    """One method's tables, detectors x outlier sets: those that are shown, and those that are folded away."""

    method: str
    shown: Sequence[Table]
    folded: Sequence[Table]


@dataclass(frozen=True)
class Detection:
    """What is told of outlier detection.

    Attributes:
        by_measure: a name, and methods x detectors by this measure in the mean of some sets.
        by_method: the tables of each method.
    """

    by_measure: Sequence[tuple[str, Table]]
    by_method: Sequence[OfMethod]


def detection(results: Results) -> Detection | None:
    """All tables of outlier detection; None without outlier sets."""
    if not results.outliers:
        return None
    shown, folded = measured(results, (AUROC, FPR95)), measured(results, FOLDED)
    means = groups(results)[::-1]  # that over all sets first
    return Detection(
        [(f"{m.title}, {GROUPS[g]}", methods_table(results, m, g)) for m in shown for g in means],
        [
            OfMethod(
                method,
                [sets_table(results, method, m) for m in shown],
                [sets_table(results, method, m) for m in folded],
            )
            for method in results.methods
        ],
    )


def groups(results: Results) -> list[str]:
    """Which means over outlier sets there are; that over all is always one."""
    return [g for g in GROUPS if g == "all" or any(k[0] == "detection" and k[2] == g for k in results.held)]


def measured(results: Results, measures: Sequence[Measure]) -> list[Measure]:
    """Those that the results hold."""
    held = {(key[1], key[4]) for key in results.held if key[0] == "outlier"}
    return [m for m in measures if (m.metric, m.convention) in held]


def methods_table(results: Results, measure: Measure, group: str = "all") -> Table:
    """Methods x detectors: the mean over a group of outlier sets; the best of each column is marked."""
    columns = [Column("Method"), *(Column(name) for name in results.detectors)]
    rows = [
        [
            Cell(method),
            *(
                percent(results.detection(method, measure.metric, d, group, measure.convention))
                for d in results.detectors
            ),
        ]
        for method in results.methods
    ]
    marked = mark_best(rows, dict.fromkeys(range(1, len(columns)), measure.pick))
    sets = "mean over all outlier sets" if group == "all" else f"mean over {group} outlier sets"
    return Table(f"{measure.title}, {sets}", columns, marked)


def sets_table(results: Results, method: str, measure: Measure) -> Table:
    """Detectors x outlier sets of one method, with the means; detectors without a value are left out."""
    means = groups(results)
    columns = [Column("Detector"), *(Column(name, "", "Outlier set") for name in results.outliers)]
    columns += [Column(GROUPS[group], "", "Mean") for group in means]
    rows = []
    for detector in results.detectors:
        where = {"score": detector, "convention": measure.convention}
        row = [percent(results.get(method, "outlier", measure.metric, s, **where)) for s in results.outliers]
        row += [
            percent(results.detection(method, measure.metric, detector, group, measure.convention))
            for group in means
        ]
        if any(cell.text != DASH for cell in row):
            rows.append([Cell(detector), *row])
    marked = mark_best(rows, dict.fromkeys(range(1, len(columns)), measure.pick))
    return Table(f"{measure.title}: {method}", columns, marked)
