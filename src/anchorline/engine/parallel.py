"""Many small jobs in threads, with progress."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
Progress = Callable[[int, int], None]  # called with (done, total)

_BLOCK = 256  # jobs handed to the threads at a time, so that Ctrl-C need not wait for a whole set


def thread_map(work: Callable[[int], T], total: int, progress: Progress | None) -> list[T]:
    """`work(0) … work(total - 1)` in threads, results in order; `progress` in this thread."""
    results: list[T] = []
    with ThreadPoolExecutor() as pool:
        for start in range(0, total, _BLOCK):
            for result in pool.map(work, range(start, min(start + _BLOCK, total))):
                results.append(result)
                if progress:
                    progress(len(results), total)
    return results
