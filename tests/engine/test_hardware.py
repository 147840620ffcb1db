"""What a CPU can."""

import pytest

from anchorline.engine import hardware


@pytest.mark.parametrize(
    ("flags", "can"),
    [
        ("fpu avx512f avx512_bf16", True),
        ("Features : fp asimd bf16 i8mm", True),
        ("fpu avx2", False),
    ],
)
def test_products_in_bfloat16(flags, can, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(hardware, "_CPUINFO", tmp_path / "cpuinfo")
    assert hardware.multiplies_bf16.__wrapped__() is can


def test_a_system_that_does_not_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "_CPUINFO", tmp_path / "none")
    assert hardware.multiplies_bf16.__wrapped__() is False
