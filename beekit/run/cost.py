"""What a piece of work costs: seconds, and memory beyond what was there before."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

# Seconds between looks at the resident memory.
_INTERVAL = 0.01


@dataclass
class Cost:
    """Seconds and peak memory in MB, filled in when the work is done."""

    seconds: float = 0.0
    memory_mb: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Time a block and watch this process's resident memory while it runs.

    Memory is what the block took beyond the start, as seen every hundredth of a second: what lives
    shorter is missed, and what the allocator still held from before is not counted.
    """
    cost, process, done = Cost(), psutil.Process(), threading.Event()
    before = process.memory_info().rss
    peak = [before]

    def watch() -> None:
        while not done.wait(_INTERVAL):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    started = time.perf_counter()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - started
        done.set()
        watcher.join()
        cost.memory_mb = (max(peak[0], process.memory_info().rss) - before) / 2**20
