"""The protocol: the methods that every recommender has."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

import numpy as np
import scipy.sparse as sp

Recommendations = tuple[np.ndarray, np.ndarray]
"""Item indices (users, k) int64, padded with -1, and their scores (users, k) float32."""


class Recommender(Protocol):
    """Ranks candidates for users; a user is a row of interactions.

    One rule holds for all recommenders: X says which items a user has, not how often or how
    strongly. Every nonzero value counts as one interaction, in `fit` and in `recommend`. So neither
    the size, the sign nor the type of the values changes a list or a score, and stored zeros do not
    count.

    The exceptions say so by an attribute `reads`, which is otherwise "items". With "order" the
    numbers of X are times or positions, of which the larger is the later. With "values" they are
    ratings. Both count stored zeros. `Interactions.valued` gives X these numbers.

    The list of k items is the beginning of the list of k + 1 items. A recommender for which this
    does not hold has an attribute `nested_lists` that is False; an approximate index is one,
    because it searches further for longer lists.
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

        Items with equal scores are ordered by a hash of the user's history and the item
        (`beekit.ranking.ties`). The order does not depend on the order of rows in a file or on what
        ids look like, and the same request gets the same answer.

        Args:
            X: (users, items) the users' histories.
            k: length of the lists.
            candidates: item indices that may be recommended; None for all items.
            exclude_seen: leave out the items that the user has in X.
        """
        ...


class RatingPredictor(Protocol):
    """Predicts what users would rate items; X holds the ratings that are known."""

    def predict(self, X: sp.csr_array, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The ratings expected of pairs of user and item.

        A prediction depends on the ratings of its own user in X alone, not on other rows or pairs.

        Args:
            X: (users, items) the known ratings of users, those of training or others; a stored zero
                is a rating of 0.
            users: (pairs,) row indices of X.
            items: (pairs,) item indices.

        Returns:
            (pairs,) float32, finite; also for users and items without a known rating.
        """
        ...


class Model(Recommender, Protocol):
    """A recommender that learns from interactions and can be saved in a folder."""

    def fit(self, X: sp.csr_array) -> Self:
        """Learn from X (users, items) in any sparse format; only nonzero values count."""
        ...

    def save(self, folder: str | Path) -> None:
        """Write the model to a folder; if writing fails, the folder is left as it was."""
        ...

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder; it gives the same recommendations as before it was saved.

        Raises:
            RunError: if the folder holds no model, a broken one, or a model of another class.
        """
        ...
