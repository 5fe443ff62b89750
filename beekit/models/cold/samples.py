"""What a training step sees: some users, some items, and all pairs between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.training.steps import step_items
from beekit.training.training_set import trainable_users


class Sample(NamedTuple):
    """One step's users and items."""

    users: np.ndarray  # (users,) user indices
    items: np.ndarray  # (items,) distinct item indices, ascending
    histories: sp.csr_array  # (users, all items), rows of X
    interactions: Tensor  # (users, items) float32 zeros and ones, X between the two


class Samples:
    """The steps of an epoch, each over all pairs of its users and items; iterate once an epoch.

    The papers draw single pairs: an interaction, and a few items the user does not have. Between
    so many users and items there are far more pairs, and an item's vector, the expensive part,
    serves all of its pairs; `pair_weights` gives pairs of both kinds the weight they have when
    drawn.

    Every user with two interactions or more comes once an epoch: one interaction is all that is
    known of a user without it. The items of a step are as in beeFormer: those its users have,
    filled up with others or thinned out to `items_per_step`.
    """

    def __init__(
        self,
        X: sp.csr_array,
        users_per_step: int,
        items_per_step: int,
        generator: np.random.Generator,
    ) -> None:
        self.X = X
        self.users = trainable_users(X)
        self.pool = np.flatnonzero(np.bincount(X.indices, minlength=X.shape[1]))
        self.users_per_step, self.items_per_step = users_per_step, items_per_step
        self.generator = generator

    def __len__(self) -> int:
        return -(-len(self.users) // self.users_per_step)

    def __iter__(self) -> Iterator[Sample]:
        order = self.generator.permutation(self.users)
        for begin in range(0, len(order), self.users_per_step):
            users = order[begin : begin + self.users_per_step]
            histories = sp.csr_array(self.X[users])
            items = step_items(histories, self.pool, self.items_per_step, self.generator)
            between = torch.from_numpy(histories[:, items].toarray())
            yield Sample(users, items, histories, between)


def pair_weights(interactions: Tensor, negatives: float) -> Tensor:
    """Weights (users, items) of pairs, summing to one where there are pairs of both kinds: as if
    each interaction had been drawn with `negatives` items the user does not have.

    Averaging a loss with these weights is what averaging it over drawn pairs comes to on average.
    """
    positive = interactions.sum()
    negative = interactions.numel() - positive
    total = positive * (1 + negatives)
    of_negatives = positive * negatives / negative.clamp(min=1) / total.clamp(min=1)
    return torch.where(interactions > 0, 1 / total.clamp(min=1), of_negatives)


def dropped(values: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Dropout (Srivastava et al. 2014) drawn from a generator of its own."""
    if not probability:
        return values
    kept = torch.rand(values.shape, generator=generator) >= probability
    return values * kept.to(values.device) / (1 - probability)


def chosen_rows(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """(count, 1) bool, each true with the probability: which rows a step replaces."""
    return torch.rand(count, 1, generator=generator) < probability
