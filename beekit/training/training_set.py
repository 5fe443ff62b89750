"""What a training learns from: interactions and items of one dataset, or of several."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from sentence_transformers import SentenceTransformer

from beekit.encoders import ItemInputs, ItemPairs
from beekit.encoders.tokens import inputs_of
from beekit.errors import DataError
from beekit.matrices import ones

logger = logging.getLogger(__name__)

# Items from which to see what an encoder computes.
_SAMPLE = 4


@dataclass(frozen=True)
class TrainingSet:
    """Several datasets stand one after the other, users and items alike, and share neither."""

    interactions: sp.csr_array  # (users, items) X, a block a dataset
    inputs: ItemInputs  # of the items
    users: np.ndarray  # indices of the users that can teach something
    users_of: list[int]  # how many of them each dataset has
    item_pools: list[np.ndarray]  # indices of each dataset's items with an interaction

    @classmethod
    def of(
        cls,
        model: SentenceTransformer,
        interactions: Sequence[sp.csr_array],
        items: Sequence[Sequence[str] | ItemInputs],
    ) -> TrainingSet:
        """Join datasets: X and texts of each in column order, read by the model, or its inputs."""
        inputs: ItemInputs | None = None
        users, item_pools, first_user, first_item = [], [], 0, 0
        matrices: list[sp.csr_array] = []
        for given, catalog in zip(interactions, items, strict=True):
            X = ones(given)
            if len(catalog) != X.shape[1]:
                found = f"{len(catalog):,} items for {X.shape[1]:,} columns of X"
                remedy = "Pass the texts of the same catalog, in order."
                raise DataError(found, expected="one item a column", remedy=remedy)
            trainable = trainable_users(X)
            if len(trainable) == 0:
                raise DataError(
                    f"none of {X.shape[0]:,} users has two training interactions",
                    expected="users with at least two",
                    remedy="Hold out less, or gather more interactions.",
                )
            users.append(first_user + trainable)
            matrices.append(X)
            used = np.flatnonzero(np.bincount(X.indices, minlength=X.shape[1]))
            item_pools.append(first_item + used)
            read = inputs_of(model, catalog)
            inputs = read if inputs is None else inputs.joined(read)
            first_user, first_item = first_user + X.shape[0], first_item + X.shape[1]
        if inputs is None:
            remedy = "Pass interactions and items."
            raise DataError("no dataset", expected="at least one", remedy=remedy)
        every = np.concatenate(users)
        logger.info("training on %s users with two or more interactions", f"{len(every):,}")
        # Of one dataset X stays as it is; block_diag would copy it.
        X = matrices[0] if len(users) == 1 else sp.block_diag(matrices, format="csr")
        return cls(sp.csr_array(X), inputs, every, [len(some) for some in users], item_pools)

    def sample(self) -> np.ndarray:
        """Indices of a few items that together are read in every way in which items are."""
        pool = np.concatenate(self.item_pools)
        places = np.linspace(0, len(pool) - 1, min(_SAMPLE, len(pool))).astype(np.int64)
        chosen = pool[places]
        if isinstance(self.inputs, ItemPairs):
            sides = self.inputs.sides[pool]
            # One with each side, where any item has it.
            chosen = np.union1d(chosen, pool[sides.argmax(axis=0)[sides.any(axis=0)]])
        return chosen


def trainable_users(interactions: sp.csr_array) -> np.ndarray:
    """User indices that can teach something: ELSA explains an item by a user's other items, so it
    takes at least two."""
    return np.flatnonzero(np.diff(interactions.indptr) >= 2)
