"""What one training step sees: a batch of users, and the items it encodes for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sentence_transformers.base.sampler import DefaultBatchSampler

from beekit.encoders import ItemInputs
from beekit.encoders.inputs import by_size, features

# Prefix by which the Trainer recognises the features of the one input column.
ITEM_PREFIX = "item_"


class UserBatchSampler(DefaultBatchSampler):  # type: ignore[misc]
    """Batches of positions among `users`, each exactly once an epoch, in an order of that epoch's.

    The order is a function of seed and epoch alone, so a run resumed in any epoch continues with
    the batches it would have had.
    """

    def __init__(self, users: int, batch_size: int, drop_last: bool, seed: int) -> None:
        super().__init__(range(users), batch_size=batch_size, drop_last=drop_last, seed=seed)
        self.users, self.seed = users, seed

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.users)
        for begin in range(0, self.users, self.batch_size):
            batch = order[begin : begin + self.batch_size]
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch.tolist()


def trainable_users(interactions: sp.csr_array) -> np.ndarray:
    """User indices that can teach something: ELSA explains an item by a user's other items, so it
    takes at least two."""
    return np.flatnonzero(np.diff(interactions.indptr) >= 2)


def step_items(
    step_interactions: sp.csr_array,
    item_pool: np.ndarray,
    items_per_step: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """The items a step encodes: `items_per_step` of them, or the whole pool if it is smaller.

    Sparsity pruning keeps the items that occur in the batch. Where they are fewer than
    `items_per_step`, negatives fill up, drawn uniformly without replacement from the rest of the
    pool. Where they are more, a uniform draw without replacement of the occurring items stays, so
    every pair of items meets with the same probability. The scores of a step are then those of a
    uniform sample of columns: unbiased in A Aᵀ up to a constant factor, while the loss of the step
    is not an unbiased estimate of the loss over all columns, since each user is normalised over
    the sampled columns only. A user left with fewer than two interactions adds no gradient.

    Args:
        step_interactions: (users, items) rows of X for this batch.
        item_pool: item indices that may be encoded, those with training interactions.
        items_per_step: m, the cap.
        generator: source of the draw.

    Returns:
        (m,) distinct item indices, ascending.
    """
    support = np.bincount(step_interactions.indices, minlength=step_interactions.shape[1])
    occurring = np.flatnonzero(support)
    if len(occurring) > items_per_step:
        drawn = generator.choice(occurring, items_per_step, replace=False, shuffle=False)
        return np.sort(drawn)
    others = item_pool[support[item_pool] == 0]
    wanted = min(items_per_step - len(occurring), len(others))
    negatives = generator.choice(others, wanted, replace=False, shuffle=False)
    return np.sort(np.concatenate([occurring, negatives]))


class StepCollator:
    """Turns a batch of users into the features of the step's items and the matrix between them.

    Runs in the data loader's worker, beside the training step. Its draw of items is a function of
    seed and users, so it does not depend on workers or on where a run was resumed.

    Args:
        interactions: (users, items) training X.
        users: user indices the positions of a batch refer to.
        inputs: of the catalog's items.
        items_per_step: the cap m on encoded items.
        seed: of the draw of items.
    """

    # The Trainer asks its collator which columns hold labels.
    valid_label_columns: Sequence[str] = ("label",)

    def __init__(
        self,
        interactions: sp.csr_array,
        users: np.ndarray,
        inputs: ItemInputs,
        items_per_step: int,
        seed: int,
    ) -> None:
        self.interactions = interactions
        self.users = users
        self.inputs = inputs
        self.items_per_step = items_per_step
        self.seed = seed
        self.item_pool = np.flatnonzero(
            np.bincount(interactions.indices, minlength=interactions.shape[1])
        )

    def __call__(self, batch: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """Features `item_*` of m items, largest first, and `label` (users, m), zeros and ones."""
        users = self.users[[row["user"] for row in batch]]
        rows = self.interactions[users]
        generator = np.random.default_rng([self.seed, *users.tolist()])
        items = step_items(rows, self.item_pool, self.items_per_step, generator)
        items = by_size(self.inputs, items)
        step = {f"{ITEM_PREFIX}{key}": value for key, value in features(self.inputs, items).items()}
        return {**step, "label": _between(rows, items)}


def _between(rows: sp.csr_array, items: np.ndarray) -> torch.Tensor:
    """X of a step, (users, m) uint8: a byte an entry, less than a sparse tensor's indices take."""
    place = np.full(rows.shape[1], -1, dtype=np.int64)
    place[items] = np.arange(len(items))
    columns = place[rows.indices]
    kept = columns >= 0
    owners = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))[kept]
    between = np.zeros((rows.shape[0], len(items)), dtype=np.uint8)
    between[owners, columns[kept]] = 1
    return torch.from_numpy(between)
