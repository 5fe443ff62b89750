"""Random split: a share of all interactions is held out, whoever and whatever they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from beekit.split.config import SplitConfig, share_field
from beekit.split.draw import share, shuffled, validation_share
from beekit.split.entries import entries, used_items
from beekit.split.split import HeldOut, Split

if TYPE_CHECKING:
    from beekit.data import Interactions


class RandomSplit(SplitConfig):
    """Hold out a random share of the interactions; see `random_split`."""

    kind: Literal["random"] = "random"
    fraction: float = share_field(0.1, "Share of the interactions in the test part.")
    validation: int | float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of the interactions in the validation part; by default a quarter of "
        "`fraction`.",
    )

    meaning = (
        "A random share of the interactions was held out as targets; the training interactions of "
        "the same users are the source."
    )
    task = "prediction of further interactions of known users"
    drawn = "the interactions held out"

    def make(self, interactions: Interactions) -> Split:
        """The split that `random_split` makes."""
        return random_split(
            interactions,
            fraction=self.fraction,
            validation_fraction=self.validation,
            seed=self.seed,
        )


def random_split(
    interactions: Interactions,
    *,
    fraction: float = 0.1,
    validation_fraction: float | None = None,
    seed: int = 42,
) -> Split:
    """Hold out a random share of the interactions: the usual split for predicting ratings.

    Each interaction has the same chance, whatever its user and its item. So a user or an item with
    few of them may end without any in training; what is held out of them stays in the test part. A
    user's source is the training interactions; the candidates are the items with one.

    Args:
        interactions: X.
        fraction: share of the interactions in the test part.
        validation_fraction: share of them in the validation part; 0 for none, None for a quarter of
            `fraction`.
        seed: seed of the draw.

    Raises:
        SplitError: if a share leaves nothing to train on or to evaluate, or if `seed` is negative.
    """
    X, total = interactions.matrix, interactions.n_interactions
    test_count = share(None, fraction, total, "interactions")
    validation_count = validation_share(
        None, validation_fraction, test_count, total, "interactions"
    )
    # Drawn in the order of ids, so that the order of columns changes nothing.
    by_id = np.argsort(np.argsort(interactions.item_ids, kind="stable"))
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    canonical = np.lexsort((by_id[X.indices], rows))
    drawn = canonical[shuffled(total, seed)]
    role = np.zeros(total, dtype=np.int8)
    role[drawn[:test_count]] = 2
    role[drawn[test_count : test_count + validation_count]] = 1
    train = entries(X, role == 0)
    warm = used_items(train)
    validation = HeldOut(train, entries(X, role == 1), warm) if validation_count else None
    test = HeldOut(train, entries(X, role == 2), warm)
    settings = {
        "fraction": fraction,
        "validation_fraction": validation_count / total,
        "seed": seed,
    }
    return Split("random", settings, interactions, train, validation, test)
