"""Training of ELSA: batches of users, the items of each step, the optimiser, the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from beekit.models.linear.normalised_error import Batch
from beekit.models.training_loop import StepCount, Training, training_device

Items = Tensor | None
"""The item indices (m,) of a step, ascending; None for all items."""


class UserBatches:
    """Batches of users, cut from binary CSR X (users, items).

    `model` is an ELSA. Its `items_per_step` is the maximum number of items that a step scores, None
    for all (sparsity pruning, see `beekit.training.steps.step_items`); its `seed` determines the
    order of users and the negatives.
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
            # Imported here, because the import takes seconds and only pruning needs it.
            from beekit.training.steps import step_items

            items = step_items(rows, pool, self.items_per_step, self.generator)
            kept = torch.from_numpy(items).to(self.device)
            yield Batch.from_csr(sp.csr_array(rows[:, items]), self.device), kept


class RowNadam:
    """Adam with Nesterov momentum (Dozat 2016) on a matrix, with one second moment for each row.

    Adam (Kingma and Ba 2015) divides each coordinate by its own running root mean square. Here a
    whole row is divided by the running root mean square of its gradient's length. So rotating all
    vectors rotates all updates, the learning rate is about the distance that a row moves in a step
    whatever the dimensions, and the second moment takes (rows,) memory instead of (rows, dims).
    Rows that are not part of a step keep their moments ("lazy" Adam), and each row counts its own
    steps for bias correction.

    `matrix` (rows, dims) is changed in place; `decay` holds the decay rates of the first and the
    second moment.
    """

    def __init__(self, matrix: Tensor, decay: tuple[float, float] = (0.9, 0.99)) -> None:
        self.matrix, self.decay = matrix, decay
        self.first = torch.zeros_like(matrix)
        self.second = matrix.new_zeros(len(matrix))
        self.count = matrix.new_zeros(len(matrix))

    def state(self) -> dict[str, Tensor]:
        """All that steps change."""
        moments = {"first": self.first, "second": self.second, "count_of_rows": self.count}
        return {"matrix": self.matrix, **moments}

    def rows(self, items: Items) -> Tensor:
        """The rows of the items of a step."""
        return self.matrix if items is None else self.matrix[items]

    def step(
        self, rows: Tensor, gradient: Tensor, items: Items, rate: float, on_sphere: bool = False
    ) -> None:
        """Move `rows`, the rows of `items`, against their gradient; scale them to length 1 if
        `on_sphere`."""
        rows.sub_(self._update(gradient, items), alpha=rate)
        if on_sphere:
            functional.normalize(rows, dim=1, out=rows)
        if items is not None:
            self.matrix[items] = rows

    def _update(self, gradient: Tensor, items: Items) -> Tensor:
        """The numbers to subtract from the rows at a learning rate of 1."""
        fast, slow = self.decay
        moments = (self.first, self.second, self.count)
        first, second, count = moments if items is None else (moment[items] for moment in moments)
        count.add_(1)
        first.lerp_(gradient, 1 - fast)
        second.lerp_(torch.linalg.vecdot(gradient, gradient), 1 - slow)
        if items is not None:
            self.first[items], self.second[items], self.count[items] = first, second, count
        length = (second / (1 - slow**count)).sqrt_()
        # A row whose gradient has always been zero is not moved.
        scale = torch.where(length > 0, 1 / (length * (1 - fast**count)), 0)
        return torch.lerp(gradient, first, fast).mul_(scale[:, None])


def elsa_training(
    model: Any,
    X: sp.csr_array,
    nadam: RowNadam,
    step: Callable[[Batch, Items, float], Tensor],
    keep: Callable[[], None],
) -> Training[tuple[Batch, Items]]:
    """Training of an ELSA by `step(batch, items, learning_rate)`, which returns the loss and moves
    the matrix of `nadam`.

    The learning rate falls to zero along half a cosine (Loshchilov and Hutter 2017), so that the
    last steps average out the noise of single batches.
    """
    batches = UserBatches(X, model)
    total = model.epochs * len(batches)
    count = StepCount()

    def scheduled(batch: tuple[Batch, Items]) -> Tensor:
        left = (1 + math.cos(math.pi * count.taken / total)) / 2
        count.taken += 1
        return step(*batch, model.learning_rate * left)

    state = {**nadam.state(), "count": count, "generator": batches.generator}
    return Training(model.epochs, batches, scheduled, keep, state)


def teaching(X: sp.csr_array) -> tuple[sp.csr_array, np.ndarray]:
    """X restricted to users with at least two interactions and to the items of these users, and the
    indices of these items.

    ELSA predicts an item from a user's other items, so nothing is learnt from a single interaction.
    """
    rows = X[np.flatnonzero(np.diff(X.indptr) >= 2)]
    items = np.flatnonzero(np.bincount(rows.indices, minlength=X.shape[1]))
    return sp.csr_array(rows[:, items]), items
