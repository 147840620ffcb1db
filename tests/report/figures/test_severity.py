"""Curves of accuracy against the severity of corruptions."""

import numpy as np
import pytest

from anchorline.metric import CORRUPTED, IN_DISTRIBUTION
from anchorline.report.figures.severity import severity_curves
from anchorline.report.numbers import Results
from tests.helpers.reported import CORRUPTIONS
from tests.helpers.small_report import table


def test_severity_curves_start_at_the_clean_test_set(whole: Results):
    figure = severity_curves(whole, IN_DISTRIBUTION, CORRUPTED)
    assert len([a for a in figure.layout.annotations if a.text]) == 16
    clean = whole.in_distribution("ftp").mean
    lines = [line for line in figure.data if line.name == "ftp"]
    assert len(lines) == 16
    assert {line.y[0] for line in lines} == {clean}
    at_three = [whole.get("ftp", "corruption", "accuracy", f"{c}/3").mean for c in CORRUPTIONS]
    assert lines[0].y[3] == pytest.approx(np.mean(at_three))
    assert severity_curves(Results(table()), IN_DISTRIBUTION, CORRUPTED) is None
