"""What the page shows, section by section, as figures, tables and words: the variables of its template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup

from anchorline.metric import CORRUPTED, IN_DISTRIBUTION, SHIFTS, UNTOUCHED
from anchorline.report.details import MethodDetails
from anchorline.report.figures import calibration
from anchorline.report.figures.blends import blends
from anchorline.report.figures.calibration import reliability, risk_coverage
from anchorline.report.figures.heat import changes_by_set, matrices
from anchorline.report.figures.histograms import confidence
from anchorline.report.figures.layers import deviations, radii
from anchorline.report.figures.radar import Radars, radars
from anchorline.report.figures.severity import corruption_table, severity_curves
from anchorline.report.figures.trade import trade
from anchorline.report.numbers import Results
from anchorline.report.sentences import sentences
from anchorline.report.tables import methods as tables
from anchorline.report.tables import robustness
from anchorline.report.tables.cells import Table
from anchorline.report.tables.detectors import Detection, detection
from anchorline.report.tables.published import Source, published_table, sources

ORACLE = "(oracle)"  # ends the name of a method that was chosen on test and shifts
TRADE_TITLES = "accuracy in distribution (test set, %)", "mean accuracy over the shifts (%)"


@dataclass(frozen=True)
class Confidence:
    """The figures of one method's confidence; None where nothing is known."""

    method: str
    reliability: go.Figure | None
    risk: go.Figure | None
    histograms: go.Figure | None


@dataclass(frozen=True)
class Classes:
    """One method's accuracy by class; the page writes the rows when the table is first seen."""

    method: str
    table: Table
    rows: Sequence[Sequence[str | float | None]]


@dataclass(frozen=True)
class Changes:
    """What adapting changed by one method: the counts by set, if known, and some of the images."""

    details: MethodDetails
    table: Table | None


@dataclass(frozen=True)
class PageContents:
    """Variables of the templates. What is None or empty has no section; pairs are (name, table or figure)."""

    title: str
    facts: Mapping[str, str]
    notes: Sequence[str]
    guarantee: str
    oracle: str
    summary: Sequence[Markup]
    several: bool  # seeds
    untouched: bool  # whether the untouched encoder was run
    worst_group: bool  # whether it was measured
    trade: go.Figure | None
    radars: Radars | None
    results: Table
    abouts: Sequence[MethodDetails]
    changes_by_set: go.Figure | None
    matrices: Sequence[tuple[str, go.Figure]]
    published: Table | None
    sources: Sequence[Source]
    shifts: Table | None
    subsets: Table | None
    robustness: Sequence[tuple[str, Table]]
    severity: go.Figure | None
    corruptions: Table | None
    detection: Detection | None
    open_set: Table | None
    calibration: Sequence[tuple[str, Table]]
    confidence: Sequence[Confidence]
    blends: Sequence[tuple[str, go.Figure]]
    deviations: go.Figure | None
    radii: Sequence[tuple[str, go.Figure]]
    classes: Sequence[Classes]
    mistakes: Sequence[MethodDetails]
    changes: Sequence[Changes]
    frames: Sequence[MethodDetails]


def contents(
    results: Results,
    details: Sequence[MethodDetails],
    curves: pd.DataFrame,
    movements: pd.DataFrame,
    differences: pd.DataFrame,
    published: pd.DataFrame,
    *,
    title: str,
    facts: Mapping[str, str],
    notes: Sequence[str],
    guarantee: str,
) -> PageContents:
    """All that the page shows; the arguments are those of `write_report`."""
    every = [Confidence(d.method, reliability(d), risk_coverage(d), confidence(d)) for d in details]
    severity = severity_curves(results, IN_DISTRIBUTION, CORRUPTED)
    return PageContents(
        title=title,
        facts=facts,
        notes=notes,
        guarantee=guarantee,
        oracle=_oracle(results, notes),
        summary=sentences(results, differences),
        several=results.seeds > 1,
        untouched=UNTOUCHED in results.methods,
        worst_group=results.has("summary", robustness.GROUP),
        trade=trade(results, (IN_DISTRIBUTION, SHIFTS), TRADE_TITLES),
        radars=radars(results),
        results=tables.main_table(results),
        abouts=[d for d in details if d.about],
        changes_by_set=changes_by_set(results),
        matrices=matrices(differences),
        published=None if published.empty else published_table(published),
        sources=[] if published.empty else sources(published),
        shifts=tables.shift_table(results) if results.shifts else None,
        subsets=tables.subset_table(results) if results.has("subset", "accuracy") else None,
        robustness=[(p, robustness.robustness_table(results, p)) for p in robustness.places(results)],
        severity=severity,
        corruptions=corruption_table(results, CORRUPTED) if severity else None,
        detection=detection(results),
        open_set=robustness.open_set_table(results),
        calibration=[
            (name, calibration.calibration_table(results, role, name))
            for role, name in calibration.places(results)
        ],
        confidence=[c for c in every if c.reliability or c.risk or c.histograms],
        blends=blends(curves),
        deviations=deviations(movements),
        radii=radii(movements),
        classes=[_classes(d) for d in details if not d.per_class.empty],
        mistakes=[d for d in details if d.mistakes],
        changes=[_changes(d) for d in details if d.shows_changes],
        frames=[d for d in details if d.frames],
    )


def sections(page: PageContents) -> list[tuple[str, str]]:
    """(id, title) of the sections that are there, in their order."""
    every: dict[str, tuple[str, object]] = {
        "trade": ("Trade", True),
        "results": ("Results", True),
        "heat": ("By set", page.changes_by_set),
        "differences": ("Noise", page.matrices),
        "published": ("Paper", page.published),
        "shifts": ("Shifts", page.shifts),
        "robustness": ("Robustness", page.robustness),
        "corruptions": ("Corruptions", page.severity),
        "outliers": ("Outliers", page.detection),
        "open-set": ("Open set", page.open_set),
        "confidence": ("Confidence", page.confidence or page.calibration),
        "blends": ("Blends", page.blends),
        "layers": ("Layers", page.deviations),
        "classes": ("Classes", page.classes),
        "mistakes": ("Mistakes", page.mistakes),
        "changed": ("Changes", page.changes),
        "frames": ("Frames", page.frames),
        "measured": ("How measured", True),
        "notes": ("Notes", page.notes),
    }
    return [(name, title) for name, (title, there) in every.items() if there]


def _oracle(results: Results, notes: Sequence[str]) -> str:
    """What the banner says where something was chosen on what it is measured by."""
    marked = [m for m in results.methods if m.endswith(ORACLE)]
    if not marked and not any("oracle" in note.lower() for note in notes):
        return ""
    which = "Figures of methods marked (oracle)" if marked else "These figures"
    return (
        f"{which} were chosen on the test set and the shifts that they are measured on. They are optimistic: "
        "they show what a perfect choice would give, not what to expect."
    )


def _classes(details: MethodDetails) -> Classes:
    label = f"Accuracy by class (%): {details.method}"
    return Classes(
        details.method, tables.class_table(label, details.per_class), tables.class_rows(details.per_class)
    )


def _changes(details: MethodDetails) -> Changes:
    if details.changes.empty:
        return Changes(details, None)
    label = f"Images changed by set: {details.method}"
    return Changes(details, tables.changes_table(label, details.changes))
