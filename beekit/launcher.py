"""Launchers such as torchrun, which start the same program in several processes."""

from __future__ import annotations

import os

from beekit.errors import RunError


def launched_processes() -> int:
    """How many processes a launcher started, this one among them; 1 without a launcher."""
    given = os.environ.get("WORLD_SIZE", "1")
    return int(given) if given.isdecimal() else 1


def require_one_process(remedy: str) -> None:
    """Refuse to work in one of several processes that would write the same files."""
    if launched_processes() > 1:
        found = f"a launcher with {launched_processes()} processes"
        raise RunError(found, expected="one, since each would write the run folder", remedy=remedy)
