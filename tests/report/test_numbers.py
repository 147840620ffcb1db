"""Means and intervals that the report takes of the rows."""

import math

import numpy as np
import pandas as pd
import pytest

from anchorline.report.numbers import Results
from anchorline.report.tables import detectors
from tests.helpers.reported import Suite
from tests.helpers.small_report import table


def test_one_repeated_evaluation_is_not_a_second_seed():
    rows = table()
    number = Results(pd.concat([rows, rows])).in_distribution("ftp")
    assert (number.mean, number.seeds) == (90.0, 1)


def test_the_interval_of_the_mean_of_shifts():
    number = Results(table()).mean_shift("ftp")
    assert number.high - number.mean == pytest.approx(math.hypot(3, 3) / 2)


def test_the_interval_of_the_only_shift_is_its_own():
    results = Results(table(shifts=("sketch",)))
    own = results.get("ftp", "shift", "accuracy", "sketch")
    number = results.mean_shift("ftp")
    assert (number.low, number.high) == (own.low, own.high)


def test_the_mean_of_outlier_sets_is_taken_where_the_table_lacks_it():
    rows = Suite(("zero-shot",), seeds=1).rows()
    results = Results(rows[rows.role != "detection"])
    each = [results.get("zero-shot", "outlier", "auroc", s, "msp").mean for s in results.outliers]
    assert results.detection("zero-shot", "auroc", "msp").mean == pytest.approx(np.mean(each))
    assert detectors.groups(results) == ["all"]
