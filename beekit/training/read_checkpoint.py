"""Reading a checkpoint to go on from: whole and as it was written, or refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from safetensors import SafetensorError
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import TrainerState

from beekit.errors import RunError
from beekit.files import write_json
from beekit.model_files import model_digests
from beekit.run_files import read_json

# In a checkpoint: SHA-256 of each of its files. Not every damage makes a file unreadable.
_DIGESTS = "digests.json"
# In a checkpoint: seconds of training until then, in all runs together.
_SECONDS = "seconds.json"
# What the Trainer goes on from beside the model; without these it begins anew, and says nothing.
_STATE = ("optimizer.pt", "scheduler.pt", "rng_state*.pth")
_REMEDY = "Remove that folder to go on from the checkpoint before, or to begin anew."


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
        raise _not_whole(checkpoint, what, reason) from problem


def seconds_of(checkpoint: str | Path) -> float:
    """Seconds of training until a checkpoint; 0 where an earlier version wrote it."""
    path = Path(checkpoint) / _SECONDS
    return float(read_json(path, ("seconds",))["seconds"]) if path.is_file() else 0.0


def complete(checkpoint: Path, seconds: float) -> None:
    """Note in a checkpoint how long training took until then, and what its files hold, for
    `require_as_written`."""
    write_json(checkpoint / _SECONDS, {"seconds": seconds})
    write_json(checkpoint / _DIGESTS, model_digests(checkpoint))


def require_as_written(checkpoint: str | Path) -> None:
    """Refuse a checkpoint with a file missing or changed, if its digests were noted."""
    checkpoint = Path(checkpoint)
    if (checkpoint / _DIGESTS).is_file():
        noted, found = read_json(checkpoint / _DIGESTS), model_digests(checkpoint)
        for name in noted:
            if noted[name] != found.get(name):
                how = "changed since it was written" if name in found else "missing"
                raise _not_whole(checkpoint, name, how)


def require_readable(checkpoint: str | Path) -> None:
    """Refuse a checkpoint that is not as it was written, or that lacks what the Trainer goes on
    from; of an earlier version, which noted no digests, torch's files are read as archives."""
    checkpoint = Path(checkpoint)
    require_as_written(checkpoint)
    for pattern in _STATE:
        if not any(checkpoint.glob(pattern)):
            raise _not_whole(checkpoint, pattern.replace("*", ""), "missing")
    for path in sorted(checkpoint.glob("*.pt*")):
        if path.name.startswith(("optimizer", "scheduler", "scaler", "rng_state")):
            with reading(checkpoint, path.name), ZipFile(path) as archive:
                if part := archive.testzip():
                    raise OSError(f"its part {part} is damaged")


def _not_whole(checkpoint: str | Path, what: str, reason: str) -> RunError:
    return RunError(
        f"{what} in {checkpoint} cannot be read ({reason})",
        expected="a whole checkpoint of this training",
        remedy=_REMEDY,
    )


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


def best_checkpoint(args: TrainingArguments, state: TrainerState) -> str | None:
    """Where the best checkpoint so far is; None if validation has not chosen any.

    Its state notes a path, which leads elsewhere once a folder has been moved.
    """
    step = state.best_global_step
    return f"{args.output_dir}/checkpoint-{step}" if step else None


def missing_best(checkpoint: str, best: str) -> RunError:
    """The error for a training that could no longer end with its best weights."""
    return RunError(
        f"no {best}, the best checkpoint so far of the training in {checkpoint}",
        expected="it, since load_best_model_at_end is set",
        remedy="Restore that folder from a copy, or remove the run's folder to begin anew.",
    )


class FindsBest(TrainerCallback):
    """A training that goes on knows the best checkpoint wherever its folder is now."""

    def on_train_begin(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        if (best := best_checkpoint(args, state)) is not None:
            state.best_model_checkpoint = best
