"""Progress of long work on standard error: a bar in a terminal, now and then a line in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

# Seconds between two lines of a log; what takes less says nothing there.
_EVERY = 5
_COUNTED = "{desc}: {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
_UNCOUNTED = "{desc}: {n_fmt} [{elapsed}, {rate_fmt}{postfix}]"

_open: WeakSet[Any] = WeakSet()


def progress_bar(
    iterable: Iterable[Any] | None = None,
    desc: str = "",
    *,
    total: int | None = None,
    disable: bool = False,
    **options: Any,
) -> Any:
    """A tqdm bar, which in a log is a plain line every few seconds; tqdm takes further options."""
    from tqdm.auto import tqdm  # reads its settings from the environment, once

    if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        counted = total is not None or hasattr(iterable, "__len__")
        options |= {"file": _Lines(), "mininterval": _EVERY, "delay": _EVERY, "position": 0}
        options["bar_format"] = _COUNTED if counted else _UNCOUNTED
    bar = tqdm(iterable, desc=desc, total=total, disable=disable, **options)
    _open.add(bar)
    return bar


def end_bars() -> None:
    """Close the bars that an error left open, so that what is printed next begins a line."""
    for bar in list(_open):
        bar.close()


class _Lines:
    """A file that takes each redraw of a bar as a line of its own."""

    def write(self, text: str) -> None:
        if line := text.strip():
            sys.stderr.write(f"{line}\n")

    def flush(self) -> None:
        sys.stderr.flush()
