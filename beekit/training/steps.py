"""What one training step sees of its users: the items it encodes, and the matrix between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from beekit.encoders.inputs import by_size, features
from beekit.training.training_set import TrainingSet

# Prefix by which the Trainer recognises the features of the one input column.
ITEM_PREFIX = "item_"


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

    Where the users are all of one dataset, so are the items: others would be negatives that tell
    datasets apart, and teach nothing else.

    """

    # The Trainer asks its collator which columns hold labels.
    valid_label_columns: Sequence[str] = ("label",)

    def __init__(self, training_set: TrainingSet, items_per_step: int, seed: int) -> None:
        self.training_set, self.items_per_step, self.seed = training_set, items_per_step, seed
        self.ends = np.cumsum(training_set.users_of)

    def __call__(self, batch: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """Features `item_*` of m items, largest first, and `label` (users, m), zeros and ones."""
        positions = np.array([row["user"] for row in batch])
        users = self.training_set.users[positions]
        rows = self.training_set.interactions[users]
        datasets = np.unique(np.searchsorted(self.ends, positions, side="right"))
        pool = np.concatenate([self.training_set.item_pools[number] for number in datasets])
        generator = np.random.default_rng([self.seed, *users.tolist()])
        inputs = self.training_set.inputs
        items = by_size(inputs, step_items(rows, pool, self.items_per_step, generator))
        step = {f"{ITEM_PREFIX}{key}": value for key, value in features(inputs, items).items()}
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
