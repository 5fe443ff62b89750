"""Checks that a fitted model holds finite numbers that are not too large to be multiplied."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import ArpackError

from beekit.errors import ConfigError

# How many rows a message names.
_NAMED = 5
# How many numbers are squared at once: 64 MB in float32.
_BLOCK_ELEMENTS = 2**24


@contextmanager
def guarded(model: Any) -> Iterator[None]:
    """Within it a model is fitted; if that fails or is interrupted, the model stays as it was.

    Raises:
        ConfigError: if the model ends with numbers that are not finite or too large, or if an
            equation has no solution in floating point.
    """
    before = dict(vars(model))
    try:
        with solvable(model):
            yield
        require_sound(model)
    except BaseException:
        vars(model).clear()
        vars(model).update(before)
        raise


def require_sound(model: Any) -> None:
    """Refuse a model whose learnt numbers, or their squares, are not finite.

    Scores are sums of products of learnt numbers, so such numbers cannot rank items. The model is a
    dataclass; its fields with `init=False` are what it learnt.

    Raises:
        ConfigError: if there are such numbers.
    """
    for field in dataclasses.fields(model):
        if not field.init:
            what = f"{type(model).__name__} ended with {field.name}"
            require_sound_rows(what, getattr(model, field.name), _remedy(model))


def require_sound_rows(what: str, values: Any, remedy: str) -> None:
    """Refuse an array if its numbers, or their squares, are not finite.

    Raises:
        ConfigError: if there are such numbers; it names their rows.
    """
    rows = _unsound_rows(values)
    if len(rows):
        named = ", ".join(map(str, rows[:_NAMED])) + (", ..." if len(rows) > _NAMED else "")
        raise ConfigError(
            f"{what} that are not finite, or too large to be multiplied, in {len(rows):,} "
            f"row{'s' * (len(rows) > 1)} ({named})",
            expected="finite numbers",
            remedy=remedy,
        )


@contextmanager
def solvable(model: Any) -> Iterator[None]:
    """Within it, an equation without a solution in floating point raises a `ConfigError`."""
    unsolvable = (
        np.linalg.LinAlgError,
        torch.linalg.LinAlgError,  # type: ignore[attr-defined]
        ArpackError,
    )
    try:
        yield
    except unsolvable as error:
        raise ConfigError(
            f"{type(model).__name__} with equations that rounding makes unsolvable "
            f"({str(error).splitlines()[0]})",
            expected="a solution in floating point",
            remedy=_remedy(model),
        ) from error


def _unsound_rows(learnt: Any) -> np.ndarray:
    """The rows of a dense or sparse array with numbers whose squares are not finite."""
    if sp.issparse(learnt):
        learnt = sp.csr_array(learnt)
        wrong = np.flatnonzero(~np.isfinite(_squares(learnt.data)))
        return np.unique(np.searchsorted(learnt.indptr, wrong, side="right") - 1)
    if not isinstance(learnt, np.ndarray) or learnt.dtype.kind != "f" or not learnt.size:
        return np.empty(0, dtype=np.int64)
    rows = learnt.reshape(len(learnt), -1)
    step = max(1, _BLOCK_ELEMENTS // rows.shape[1])
    sums = [_squares(rows[begin : begin + step]).sum(axis=1) for begin in range(0, len(rows), step)]
    return np.flatnonzero(~np.isfinite(np.concatenate(sums)))


def _squares(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.square(values))


def _remedy(model: Any) -> str:
    """What the user can change, depending on the settings of the model."""
    if hasattr(model, "learning_rate"):
        return f"Choose a smaller learning_rate than {model.learning_rate}."
    if hasattr(model, "regularization"):
        or_else = ", or set dtype=float64" if getattr(model, "dtype", "") == "float32" else ""
        return f"Raise regularization above {model.regularization}{or_else}."
    if hasattr(model, "vectors"):
        return "Scale the content vectors to lengths near 1."
    return "Check the interactions."
