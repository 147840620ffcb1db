"""What makes a CPU fast, and what it can."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_… of malloc.h
_CPUINFO = Path("/proc/cpuinfo")
_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}  # x86 twice, and Arm


@cache
def keep_freed_memory() -> None:
    """Keep the memory of freed tensors in the process (glibc; nothing elsewhere).

    By default glibc gives large blocks back to the system, which must clear them anew at each step: half of
    the time of a small network. The process holds some hundred MiB more instead. No value changes.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another system
        return
    mallopt(_MMAP_THRESHOLD, 1 << 30)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)


@cache
def multiplies_bf16() -> bool:
    """Whether the CPU has instructions for products in bfloat16 (as far as Linux tells)."""
    try:
        return not _BF16.isdisjoint(_CPUINFO.read_text().split())
    except OSError:
        return False
