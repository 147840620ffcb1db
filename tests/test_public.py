"""`import anchorline`: the public names, each imported on first use."""

import subprocess
import sys

import pytest

import anchorline


def test_the_public_names():
    assert sorted(dir(anchorline)) == sorted(anchorline.__all__)
    assert all(getattr(anchorline, name) is not None for name in anchorline.__all__)
    assert {"adapt", "compare", "evaluate", "load", "load_encoder", "__version__"} < set(anchorline.__all__)
    with pytest.raises(AttributeError, match="nothing_like_this"):
        anchorline.nothing_like_this  # noqa: B018


def test_importing_does_not_wait_for_torch():
    code = "import sys, anchorline; anchorline.__version__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
