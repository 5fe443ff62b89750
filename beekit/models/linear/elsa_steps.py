"""Steps of training an ELSA: batches of users, the items each scores, the learning rate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.models import fitting
from beekit.models.checks import require
from beekit.models.linear.normalised_error import Batch

Items = Tensor | None
"""(m,) item indices of a step, ascending; None for all of them."""


class Descent(Protocol):
    """A model that has the settings of a schedule."""

    learning_rate: float
    epochs: int
    users_per_step: int
    items_per_step: int | None
    seed: int
    device: str | None


@dataclass(frozen=True)
class Schedule:
    """How long to train, on what at a time.

    Attributes:
        learning_rate: of the first step; it falls to zero along half a cosine (Loshchilov and
            Hutter 2017), so that the last steps average out what single batches say.
        epochs: passes over the users.
        users_per_step: users in a batch.
        items_per_step: cap on the items a step scores, None for all (sparsity pruning, see
            `beekit.training.steps.step_items`).
        seed: of the order of users and of negatives.
        device: where the batches go.
    """

    learning_rate: float
    epochs: int
    users_per_step: int
    items_per_step: int | None
    seed: int
    device: torch.device

    @classmethod
    def of(cls, model: Descent) -> Schedule:
        """As a model's settings say; by default on the GPU where there is one."""
        return cls(
            model.learning_rate,
            model.epochs,
            model.users_per_step,
            model.items_per_step,
            model.seed,
            fitting.training_device(model.device),
        )


def check_schedule(model: Descent) -> None:
    """Refuse settings of a schedule outside their range.

    Raises:
        ConfigError: if a setting of the schedule is outside its range.
    """
    for name in ("epochs", "users_per_step"):
        require(getattr(model, name) >= 1, f"{name}={getattr(model, name)}", "at least 1")
    require(model.learning_rate > 0, f"learning_rate={model.learning_rate}", "a number above 0")
    require(
        model.items_per_step is None or model.items_per_step >= 2,
        f"items_per_step={model.items_per_step}",
        "at least 2, or None for all items",
    )


def train(
    X: sp.csr_array,
    schedule: Schedule,
    step: Callable[[Batch, Items, float], Tensor],
    title: str,
) -> None:
    """Call `step(batch, items, learning_rate)`, which returns the loss, on all batches of X.

    Batches are cut from CSR; the only dense (users, items) matrix is the step's own.

    Args:
        X: (users, items) binary CSR.
        schedule: how.
        step: one step of training.
        title: of the progress bar.

    Raises:
        ConfigError: if training diverges, so that the loss is no longer finite.
    """
    steps = math.ceil(X.shape[0] / schedule.users_per_step)
    total = schedule.epochs * steps
    numbers = itertools.count()
    generator = np.random.default_rng(schedule.seed)

    def scheduled(batch: tuple[Batch, Items]) -> Tensor:
        left = (1 + math.cos(math.pi * next(numbers) / total)) / 2
        return step(*batch, schedule.learning_rate * left)

    fitting.train(
        title, schedule.epochs, steps, lambda: _batches(X, schedule, generator), scheduled
    )


def _batches(
    X: sp.csr_array, schedule: Schedule, generator: np.random.Generator
) -> Iterator[tuple[Batch, Items]]:
    """Those of one pass over the users."""
    pool = np.arange(X.shape[1])
    order = generator.permutation(X.shape[0])
    for begin in range(0, len(order), schedule.users_per_step):
        rows = X[order[begin : begin + schedule.users_per_step]]
        if schedule.items_per_step is None or schedule.items_per_step >= X.shape[1]:
            yield Batch.from_csr(rows, schedule.device), None
            continue
        # Its module takes seconds to import, which only pruning needs.
        from beekit.training.steps import step_items

        items = step_items(rows, pool, schedule.items_per_step, generator)
        kept = torch.from_numpy(items).to(schedule.device)
        yield Batch.from_csr(sp.csr_array(rows[:, items]), schedule.device), kept


def teaching(X: sp.csr_array) -> tuple[sp.csr_array, np.ndarray]:
    """X of the users with at least two interactions and of the items they use.

    ELSA explains an item by a user's other items, so a single interaction teaches nothing.

    Returns:
        The smaller X (users', items'), and (items',) which items of X its columns are, ascending.
    """
    rows = X[np.flatnonzero(np.diff(X.indptr) >= 2)]
    items = np.flatnonzero(np.bincount(rows.indices, minlength=X.shape[1]))
    return sp.csr_array(rows[:, items]), items
