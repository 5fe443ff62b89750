"""Steps of training an ELSA: batches of users, the items each scores, the learning rate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.models.fitting import Training, training_device
from beekit.models.linear.normalised_error import Batch

Items = Tensor | None
"""(m,) item indices of a step, ascending; None for all of them."""


class UserBatches:
    """Batches of users, cut from CSR; the only dense (users, items) matrix is the step's own.

    Args:
        X: (users, items) binary CSR.
        model: an ELSA, for its `users_per_step`; `items_per_step`, the most items a step scores,
            None for all (sparsity pruning, see `beekit.training.steps.step_items`); `seed`, of the
            order of users and of negatives; `device`.
    """

    def __init__(self, X: sp.csr_array, model: Any) -> None:
        self.X, self.users_per_step = X, model.users_per_step
        everything = model.items_per_step is None or model.items_per_step >= X.shape[1]
        self.items_per_step = None if everything else model.items_per_step
        self.device = training_device(model.device)
        self.generator = np.random.default_rng(model.seed)

    def __len__(self) -> int:
        return int(-(-self.X.shape[0] // self.users_per_step))

    def __iter__(self) -> Iterator[tuple[Batch, Items]]:
        pool = np.arange(self.X.shape[1])
        order = self.generator.permutation(self.X.shape[0])
        for begin in range(0, len(order), self.users_per_step):
            rows = self.X[order[begin : begin + self.users_per_step]]
            if self.items_per_step is None:
                yield Batch.from_csr(rows, self.device), None
                continue
            # Its module takes seconds to import, which only pruning needs.
            from beekit.training.steps import step_items

            items = step_items(rows, pool, self.items_per_step, self.generator)
            kept = torch.from_numpy(items).to(self.device)
            yield Batch.from_csr(sp.csr_array(rows[:, items]), self.device), kept


def elsa_training(
    model: Any,
    X: sp.csr_array,
    step: Callable[[Batch, Items, float], Tensor],
    keep: Callable[[], None],
) -> Training[tuple[Batch, Items]]:
    """Training by `step(batch, items, learning_rate)`, which returns the loss, on batches of X.

    The rate falls to zero along half a cosine (Loshchilov and Hutter 2017), so that the last steps
    average out what single batches say.

    Args:
        model: an ELSA, for its `learning_rate` and `epochs`, and those of `UserBatches`.
        X: (users, items) binary CSR.
        step: one step of training.
        keep: as `Training` has it.
    """
    batches = UserBatches(X, model)
    total = model.epochs * len(batches)
    numbers = itertools.count()

    def scheduled(batch: tuple[Batch, Items]) -> Tensor:
        left = (1 + math.cos(math.pi * next(numbers) / total)) / 2
        return step(*batch, model.learning_rate * left)

    return Training(model.epochs, batches, scheduled, keep)


def teaching(X: sp.csr_array) -> tuple[sp.csr_array, np.ndarray]:
    """X of the users with at least two interactions and of the items they use.

    ELSA explains an item by a user's other items, so a single interaction teaches nothing.

    Returns:
        The smaller X (users', items'), and (items',) which items of X its columns are, ascending.
    """
    rows = X[np.flatnonzero(np.diff(X.indptr) >= 2)]
    items = np.flatnonzero(np.bincount(rows.indices, minlength=X.shape[1]))
    return sp.csr_array(rows[:, items]), items
