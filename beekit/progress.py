"""Progress on standard error: a bar in a terminal, and a line every few seconds in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

# Seconds between two lines in a log; shorter work writes no line.
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
    """A tqdm bar; in a log, a plain line every few seconds. `options` are options of tqdm."""
    from tqdm.auto import tqdm  # imported late, because it reads the environment when imported

    if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        counted = total is not None or hasattr(iterable, "__len__")
        options |= {"file": _Lines(), "mininterval": _EVERY, "delay": _EVERY, "position": 0}
        options["bar_format"] = _COUNTED if counted else _UNCOUNTED
    bar = tqdm(iterable, desc=desc, total=total, disable=disable, **options)
    _open.add(bar)
    return bar


def end_bars() -> None:
    """Close the bars that an error left open, so that the next message begins on a new line."""
    for bar in list(_open):
        bar.close()


class _Lines:
    """A file that writes each redraw of a bar as a line of its own."""

    def write(self, text: str) -> None:
        if line := text.strip():
            sys.stderr.write(f"{line}\n")

    def flush(self) -> None:
        sys.stderr.flush()
