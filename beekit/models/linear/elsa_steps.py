"""Training an ELSA: batches of users, the items each scores, the steps and the learning rate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from beekit.models.linear.normalised_error import Batch
from beekit.models.training_loop import Training, training_device

Items = Tensor | None
"""(m,) item indices of a step, ascending; None for all of them."""


class UserBatches:
    """Batches of users, cut from binary CSR X (users, items).

    The only dense (users, items) matrix is the step's own. `model` is an ELSA: its `items_per_step`
    are the most items a step scores, None for all (sparsity pruning, see
    `beekit.training.steps.step_items`), its `seed` that of the order of users and of negatives.
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


class RowNadam:
    """Adam with Nesterov momentum (Dozat 2016) on a matrix, with one second moment a row.

    Adam (Kingma and Ba 2015) divides each coordinate by its own running root mean square; here a
    row is divided as a whole, by that of its gradient's length. An update then turns with the
    coordinates (vectors that mean the same up to a rotation learn the same), the learning rate is
    about the length a row moves in a step whatever the dims, and the second moment takes
    (rows,) memory instead of (rows, dims). Moments of rows without a gradient stay as they are
    (as in "lazy" Adam), each row has its own count for bias correction.

    `matrix` (rows, dims) is changed in place; `decay` is of the first and of the second moment.
    """

    def __init__(self, matrix: Tensor, decay: tuple[float, float] = (0.9, 0.99)) -> None:
        self.matrix, self.decay = matrix, decay
        self.first = torch.zeros_like(matrix)
        self.second = matrix.new_zeros(len(matrix))
        self.count = matrix.new_zeros(len(matrix))

    def rows(self, items: Items) -> Tensor:
        """The rows of a step."""
        return self.matrix if items is None else self.matrix[items]

    def step(
        self, rows: Tensor, gradient: Tensor, items: Items, rate: float, on_sphere: bool = False
    ) -> None:
        """Move `rows`, those of `items`, against their gradient, and back to length 1 if asked."""
        rows.sub_(self._update(gradient, items), alpha=rate)
        if on_sphere:
            functional.normalize(rows, dim=1, out=rows)
        if items is not None:
            self.matrix[items] = rows

    def _update(self, gradient: Tensor, items: Items) -> Tensor:
        """What to subtract from the rows, for a learning rate of 1."""
        fast, slow = self.decay
        moments = (self.first, self.second, self.count)
        first, second, count = moments if items is None else (moment[items] for moment in moments)
        count.add_(1)
        first.lerp_(gradient, 1 - fast)
        second.lerp_(torch.linalg.vecdot(gradient, gradient), 1 - slow)
        if items is not None:
            self.first[items], self.second[items], self.count[items] = first, second, count
        length = (second / (1 - slow**count)).sqrt_()
        # A row whose gradient has been zero throughout stays where it is.
        scale = torch.where(length > 0, 1 / (length * (1 - fast**count)), 0)
        return torch.lerp(gradient, first, fast).mul_(scale[:, None])


def elsa_training(
    model: Any,
    X: sp.csr_array,
    step: Callable[[Batch, Items, float], Tensor],
    keep: Callable[[], None],
) -> Training[tuple[Batch, Items]]:
    """Training of an ELSA by `step(batch, items, learning_rate)`, which returns the loss.

    The rate falls to zero along half a cosine (Loshchilov and Hutter 2017), so that the last steps
    average out what single batches say.
    """
    batches = UserBatches(X, model)
    total = model.epochs * len(batches)
    numbers = itertools.count()

    def scheduled(batch: tuple[Batch, Items]) -> Tensor:
        left = (1 + math.cos(math.pi * next(numbers) / total)) / 2
        return step(*batch, model.learning_rate * left)

    return Training(model.epochs, batches, scheduled, keep)


def teaching(X: sp.csr_array) -> tuple[sp.csr_array, np.ndarray]:
    """X of the users with at least two interactions and the items they use; which items those are.

    ELSA explains an item by a user's other items, so a single interaction teaches nothing.
    """
    rows = X[np.flatnonzero(np.diff(X.indptr) >= 2)]
    items = np.flatnonzero(np.bincount(rows.indices, minlength=X.shape[1]))
    return sp.csr_array(rows[:, items]), items
