"""The sample of a training step: some users, some items, and all pairs between them."""

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
    """The users and items of a training step."""

    users: np.ndarray  # (users,) user indices
    items: np.ndarray  # (items,) distinct item indices, ascending
    histories: sp.csr_array  # (users, all items), rows of X
    interactions: Tensor  # (users, items) float32 zeros and ones: X for these users and items


class Samples:
    """The samples of an epoch; each iteration is one epoch.

    The papers draw single pairs: an interaction, and a few items that the user does not have. Here
    a step uses all pairs of its users and items. These are far more pairs, and an item's vector,
    the expensive part, is computed once for all of its pairs. `pair_weights` gives both kinds of
    pairs the weight that they have when drawn.

    Every user with two interactions or more comes once in an epoch; a user with a single one would
    have no history without it. The items of a step are chosen as in beeFormer: the items of its
    users, with others added or some left out to reach `items_per_step`.
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
    """Weights (users, items) of pairs, as if each interaction were drawn with `negatives` items
    that the user does not have. They sum to one if there are pairs of both kinds.

    A loss averaged with these weights is the expected value of its mean over drawn pairs.
    """
    positive = interactions.sum()
    negative = interactions.numel() - positive
    total = positive * (1 + negatives)
    of_negatives = positive * negatives / negative.clamp(min=1) / total.clamp(min=1)
    return torch.where(interactions > 0, 1 / total.clamp(min=1), of_negatives)


def dropped(values: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Dropout (Srivastava et al. 2014), drawn from the given generator."""
    if not probability:
        return values
    kept = torch.rand(values.shape, generator=generator) >= probability
    return values * kept.to(values.device) / (1 - probability)


def chosen_rows(count: int, probability: float, generator: torch.Generator) -> Tensor:
    """(count, 1) bool: rows that a step replaces, each chosen with the given probability."""
    return torch.rand(count, 1, generator=generator) < probability
