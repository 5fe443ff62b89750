"""What every recommender answers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

import numpy as np
import scipy.sparse as sp

Recommendations = tuple[np.ndarray, np.ndarray]
"""Item indices (users, k) int64, padded with -1, and their scores (users, k) float32."""


class Recommender(Protocol):
    """Ranks candidates for users given by their interactions.

    One rule for all: X says which items a user has, not how often or how strongly. Only what is
    nonzero counts, in `fit` and in `recommend`: scaled by any numbers, negative ones too, with
    zeros stored or in any type, X gives the same lists and the same scores.

    The list of k items is the beginning of the list of k + 1, unless the recommender has an
    attribute `nested_lists` that is False, as an index that looks further for longer lists has.
    """

    @property
    def scores_cold_items(self) -> bool:
        """Whether items without training interactions get a meaningful score."""
        ...

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items of each user, best first.

        Items that score the same for a user come in an order that a hash of the user's history and
        the item draws (`beekit.ranking.ties`): the order of rows in a file and the look of ids have
        no say, and the same request gets the same answer.

        Args:
            X: (users, items) what is known of the users: which items each has.
            k: length of the lists.
            candidates: item indices that may be recommended; all without it.
            exclude_seen: leave out what X holds.
        """
        ...


class Model(Recommender, Protocol):
    """A recommender that learns from interactions, and can be kept in a folder."""

    def fit(self, X: sp.csr_array) -> Self:
        """Learn from X (users, items), any sparse format; only what is nonzero counts."""
        ...

    def save(self, folder: str | Path) -> None:
        """Write the model, whole or not at all."""
        ...

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder; it recommends what the saved one did.

        Raises:
            RunError: if there is no model, if it is broken, or if it is of another class.
        """
        ...
