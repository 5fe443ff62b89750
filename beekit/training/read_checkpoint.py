"""Reading a checkpoint to go on from: whole, or refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import TrainerState

from beekit.errors import RunError


@contextmanager
def reading(checkpoint: str | Path, what: str) -> Iterator[None]:
    """Within it, an error of any reader says, as a `RunError`, what of a checkpoint is broken."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (
        *(OSError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError),
        *(RuntimeError, SafetensorError, UnpicklingError, BadZipFile),
    ) as problem:
        reason = " ".join(str(problem).split())[:120] or type(problem).__name__
        raise RunError(
            f"{what} in {checkpoint} cannot be read ({reason})",
            expected="a whole checkpoint of this training",
            remedy="Remove that folder to go on from the checkpoint before, or to begin anew.",
        ) from problem


def require_readable(checkpoint: str | Path) -> None:
    """Read what the Trainer goes on from beside the model: torch's files, which are archives."""
    for path in sorted(Path(checkpoint).glob("*.pt*")):
        if path.name.startswith(("optimizer", "scheduler", "scaler", "rng_state")):
            with reading(checkpoint, path.name), ZipFile(path) as archive:
                if part := archive.testzip():
                    raise OSError(f"its part {part} is damaged")


def read_state(checkpoint: str | Path) -> TrainerState:
    """How far the training of a checkpoint had come."""
    path = Path(checkpoint) / TRAINER_STATE_NAME
    with reading(checkpoint, path.name):
        state: TrainerState = TrainerState.load_from_json(str(path))
        for name in ("global_step", "max_steps"):
            steps = getattr(state, name)
            if not isinstance(steps, int) or steps < 1:
                raise ValueError(f"{name}={steps}")
        if not isinstance(state.log_history, list):
            raise ValueError("no list under log_history")
    return state
