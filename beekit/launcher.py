"""Launchers such as torchrun, which start the same program in several processes."""

from __future__ import annotations

import os

from beekit.errors import RunError


def launched_processes() -> int:
    """How many processes a launcher started, this one among them; 1 without a launcher."""
    given = os.environ.get("WORLD_SIZE", "1")
    return int(given) if given.isdecimal() else 1


def require_alone() -> None:
    """Refuse to train a run in one of several processes.

    Raises:
        RunError: if a launcher started several, which would all write the same files.
    """
    if launched_processes() > 1:
        raise RunError(
            f"a launcher with {launched_processes()} processes",
            expected="one, since each would write the run folder",
            remedy="Run `beekit train` alone, or BeeFormerTrainer in a script of your own.",
        )
