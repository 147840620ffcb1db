"""Folders of images and masks."""

import pytest

from tests.helpers.masked import BLOCKS, write_set


@pytest.fixture
def folders(tmp_path):
    return {
        "train": write_set(tmp_path / "pets", 10, BLOCKS),
        "test": write_set(tmp_path / "test", 4),
    }
