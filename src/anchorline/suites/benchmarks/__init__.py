"""Published benchmarks as they lie on disk."""

from anchorline.suites.benchmarks.benchmark import Benchmark, Split
from anchorline.suites.benchmarks.checking import State, check, check_part
from anchorline.suites.benchmarks.dataset import Dataset, Listing, folder_with, require
from anchorline.suites.benchmarks.datasets.masked import MASKED
from anchorline.suites.benchmarks.table import BENCHMARKS

__all__ = [
    "BENCHMARKS", "MASKED", "Benchmark", "Dataset", "Listing", "Split", "State", "check", "check_part",
    "folder_with", "require",
]  # fmt: skip
