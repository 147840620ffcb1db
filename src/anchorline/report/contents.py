"""What the sections of the page are about: figures, tables, and which sections there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from anchorline.report.details import MethodDetails
from anchorline.report.figures import calibration
from anchorline.report.figures.blends import blends
from anchorline.report.figures.calibration import reliability, risk_coverage
from anchorline.report.figures.heat import changes_by_set, matrices
from anchorline.report.figures.histograms import confidence
from anchorline.report.figures.layers import deviations, radii
from anchorline.report.figures.radar import radars
from anchorline.report.figures.severity import corruption_table, severity_curves
from anchorline.report.figures.trade import trade
from anchorline.report.numbers import UNTOUCHED, Results
from anchorline.report.sentences import sentences
from anchorline.report.tables import detectors, robustness
from anchorline.report.tables import methods as tables
from anchorline.report.tables.published import published_table, sources

ORACLE = "(oracle)"  # ends the name of a method that was chosen on test and shifts


@dataclass(frozen=True)
class Confidence:
    """The figures of one method's confidence; None where nothing is known."""

    method: str
    reliability: go.Figure | None
    risk: go.Figure | None
    histograms: go.Figure | None


def contents(
    results: Results,
    details: Sequence[MethodDetails],
    curves: pd.DataFrame,
    movements: pd.DataFrame,
    differences: pd.DataFrame,
    notes: Sequence[str],
    published: pd.DataFrame,
) -> dict[str, Any]:
    """The variables of the templates."""
    every = [Confidence(d.method, reliability(d), risk_coverage(d), confidence(d)) for d in details]
    found: dict[str, Any] = {
        "results": results,
        "untouched": UNTOUCHED in results.methods,
        "oracle": _oracle(results, notes),
        "summary": sentences(results, differences),
        "trade": trade(results),
        "radars": radars(results),
        "changes_by_set": changes_by_set(results),
        "matrices": matrices(differences),
        "severity": severity_curves(results),
        "corruption_table": corruption_table,
        "robust_places": robustness.places(results),
        "open_set": robustness.open_set_table(results),
        "calibration_places": calibration.places(results),
        "confidence": [c for c in every if c.reliability or c.risk or c.histograms],
        "blends": blends(curves),
        "deviations": deviations(movements),
        "radii": radii(movements),
        "with_classes": [d for d in details if not d.per_class.empty],
        "with_mistakes": [d for d in details if d.mistakes],
        "with_changes": [d for d in details if d.shows_changes],
        "with_frames": [d for d in details if d.frames],
        "abouts": [d for d in details if d.about],
        "published": None if published.empty else published_table(published),
        "sources": [] if published.empty else sources(published),
        "tables": tables,
        "detectors": detectors,
        "robustness": robustness,
        "calibration": calibration,
        "changes_table": tables.changes_table,
    }
    return found | {"sections": _sections(found, bool(notes))}


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


def _sections(found: dict[str, Any], notes: bool) -> list[tuple[str, str]]:
    """(id, title) of the sections that are there, in their order."""
    results = found["results"]
    every = {
        "trade": ("Trade", True),
        "results": ("Results", True),
        "heat": ("By set", found["changes_by_set"]),
        "differences": ("Noise", found["matrices"]),
        "published": ("Paper", found["published"]),
        "shifts": ("Shifts", results.shifts),
        "robustness": ("Robustness", found["robust_places"]),
        "corruptions": ("Corruptions", found["severity"]),
        "outliers": ("Outliers", results.outliers),
        "open-set": ("Open set", found["open_set"]),
        "confidence": ("Confidence", found["confidence"] or found["calibration_places"]),
        "blends": ("Blends", found["blends"]),
        "layers": ("Layers", found["deviations"]),
        "classes": ("Classes", found["with_classes"]),
        "mistakes": ("Mistakes", found["with_mistakes"]),
        "changed": ("Changes", found["with_changes"]),
        "frames": ("Frames", found["with_frames"]),
        "measured": ("How measured", True),
        "notes": ("Notes", notes),
    }
    return [(name, title) for name, (title, there) in every.items() if there]
