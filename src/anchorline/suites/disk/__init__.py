"""Published benchmarks as they lie on disk."""

from __future__ import annotations

from typing import Literal

from anchorline.errors import UserError
from anchorline.suites.disk.benchmark import Benchmark, Split
from anchorline.suites.disk.checking import State, check, check_part
from anchorline.suites.disk.cifar10 import CIFAR10_BENCHMARKS
from anchorline.suites.disk.domainnet import DOMAINNET_BENCHMARKS
from anchorline.suites.disk.imagenet import IMAGENET_BENCHMARKS
from anchorline.suites.disk.masked import MASKED
from anchorline.suites.disk.part import Listed, Part, folder_with, require
from anchorline.suites.scan import nearest
from anchorline.suites.suite import StrPath, Suite

__all__ = [
    "BENCHMARKS",
    "MASKED",
    "Benchmark",
    "Listed",
    "Part",
    "Split",
    "State",
    "check",
    "check_part",
    "folder_with",
    "read",
    "require",
]

BENCHMARKS: dict[str, Benchmark] = {
    one.name: one for one in (*CIFAR10_BENCHMARKS, *IMAGENET_BENCHMARKS, *DOMAINNET_BENCHMARKS)
}
"""By name."""


def read(name: str, root: StrPath, bad_images: Literal["error", "skip"] = "error") -> Suite:
    """The suite that a benchmark's data sets below `root` give; see `Benchmark.read`. Raises `UserError`."""
    if name not in BENCHMARKS:
        raise UserError(f"there is no benchmark {name!r} ({nearest(name, BENCHMARKS)})")
    return BENCHMARKS[name].read(root, bad_images=bad_images)
