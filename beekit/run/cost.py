"""What a piece of work costs: seconds, and memory beyond what was there before."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

# Seconds between looks at the resident memory.
_INTERVAL = 0.01


@dataclass
class Cost:
    """Seconds, peak memory in MB and the library's warnings, filled in when the work is done.

    Memory is beyond what was there before; None where it cannot be told from what other work left.
    `parameters` counts the numbers that the model learnt, and `learning` says how the epochs of a
    validated fit went (`beekit.models.early_stopping.Learning`).
    """

    seconds: float = 0.0
    memory_mb: float | None = None
    warnings: list[str] = field(default_factory=list)
    parameters: int | None = None
    learning: Mapping[str, Any] | None = None


class _Collector(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def measured() -> Iterator[Cost]:
    """Time a block and watch this process's resident memory while it runs.

    Memory is what the block took beyond the start: by the system's own mark of the most there ever
    was if the block raised it, else as seen every hundredth of a second. Memory that the allocator
    still held from earlier work is not counted: compare the number only in a fresh process.
    """
    cost, process, done = Cost(), psutil.Process(), threading.Event()
    before, mark = process.memory_info().rss, _most_ever()
    peak = [before]

    def watch() -> None:
        while not done.wait(_INTERVAL):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    library, collector = logging.getLogger("beekit"), _Collector(cost.warnings)
    library.addHandler(collector)
    started = time.perf_counter()
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - started
        library.removeHandler(collector)
        done.set()
        watcher.join()
        most = max(peak[0], process.memory_info().rss)
        if _most_ever() > mark:
            most = max(most, _most_ever())
        cost.memory_mb = (most - before) / 2**20


def _most_ever() -> int:
    """Bytes resident at the highest so far; 0 where the system counts in another unit."""
    if not sys.platform.startswith("linux"):
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 2**10
