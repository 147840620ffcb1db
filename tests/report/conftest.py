"""A comparison with every role and metric, of two methods."""

import pytest

from anchorline.report.numbers import Results
from tests.helpers.reported import Suite


@pytest.fixture(scope="session")
def whole() -> Results:
    return Results(Suite(("zero-shot", "ftp"), seeds=1, shifts=("filled", "sketch")).rows())
