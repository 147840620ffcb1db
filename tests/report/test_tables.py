"""Tables of detectors, robustness, calibration and open-set decisions."""

import numpy as np
import pytest

from anchorline.report.figures import calibration
from anchorline.report.numbers import Results
from anchorline.report.tables import detectors, robustness
from anchorline.report.tables.cells import Table
from tests.helpers.reported import DETECTORS
from tests.helpers.small_report import table


def numbers(shown: Table) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in shown.rows}


def test_detectors_by_method_and_by_set(whole: Results):
    by_method = detectors.methods_table(whole, detectors.AUROC, "near")
    assert len(by_method.columns) == 1 + len(DETECTORS)
    expected = whole.get("ftp", "detection", "auroc", "near", "knn").mean
    assert numbers(by_method)["ftp"][DETECTORS.index("knn")] == f"{expected:.1f}"
    by_set = detectors.sets_table(whole, "ftp", detectors.FPR95)
    assert [c.title for c in by_set.columns[-3:]] == ["near", "far", "all sets"]
    assert len(by_set.rows) == len(DETECTORS)
    best = [row[1] for row in by_set.rows if row[1].tone == "best"]
    assert best[0].value == min(row[1].value for row in by_set.rows)


def test_robustness_calibration_and_open_set_decisions(whole: Results):
    assert robustness.places(whole) == ["mean of shifts", "filled", "sketch", "test"]
    mean = robustness.robustness_table(whole, "mean of shifts")
    flips = [c.title for c in mean.columns].index("negative flips")
    each = [whole.get("ftp", "shift", "negative_flips", s).mean for s in whole.shifts]
    assert mean.rows[1][flips].value == pytest.approx(np.mean(each))
    assert robustness.places(Results(table())) == []
    kept = robustness.open_set_table(whole)
    assert kept is not None
    assert [c.group for c in kept.columns[1:7]] == ["test", "test", "filled", "filled", "sketch", "sketch"]
    assert robustness.open_set_table(Results(table())) is None
    errors = calibration.calibration_table(whole, "shift", "sketch")
    assert [c.title for c in errors.columns[1:]] == ["ECE", "NLL", "Brier"] * 2 + ["AURC"]
    scaled = whole.get("ftp", "shift", "nll", "sketch", "scaled").mean
    assert numbers(errors)["ftp"][4] == f"{scaled:.2f}"
