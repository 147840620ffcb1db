"""Code from outside the package has a version of its own."""

import sys
from importlib import import_module, reload

import pytest

from anchorline.engine.plugins import code_of
from anchorline.methods.objectives import CrossEntropy


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """The file of a module that does not belong to the package."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path / "toy_outside.py"
    sys.modules.pop("toy_outside", None)


def test_code_of_the_package_has_none():
    assert code_of(CrossEntropy, code_of) == ""


def test_changed_code_is_another(outside):
    outside.write_text("def score(x):\n    return x\n")
    first = code_of(import_module("toy_outside").score)
    assert len(first) == 16
    assert code_of(CrossEntropy, sys.modules["toy_outside"].score) == first
    outside.write_text("def score(x):\n    return -x\n")
    assert code_of(reload(sys.modules["toy_outside"]).score) not in ("", first)
