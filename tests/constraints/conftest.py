"""Fixtures of the tests of constraints."""

import pytest

from anchorline.constraints import foreach as batches


@pytest.fixture(params=[2**16, 30], ids=["whole", "in pieces"])
def pieces(request, monkeypatch) -> None:
    monkeypatch.setitem(batches._PIECE, "cpu", request.param)
