"""Models that rank by vectors: one search over the item vectors, kept as long as they last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp

from beekit.index import ItemIndex
from beekit.matrices import ones
from beekit.models.base import BaseRecommender, Request
from beekit.models.content_vectors import compared
from beekit.ranking import Recommendations

Made = TypeVar("Made")


class VectorRecommender(BaseRecommender):
    """Ranks items by the inner product of user vectors with item vectors.

    A subclass learns `item_vectors`, and gives user vectors in one of three ways: a user is the sum
    of the item vectors of the history; of the rows of `user_side`, where it has one; or what
    `_own_user_vectors` says.

    Attributes:
        item_vectors: D (items, dims) float32, set by `fit`.
        user_side: E (items, dims) float32, for a history x the user x E; None where E is D.
    """

    item_vectors: np.ndarray
    user_side: np.ndarray | None = None

    def _sides(self) -> tuple[np.ndarray, np.ndarray | None]:
        """D, and E where it is another matrix."""
        return self.item_vectors, self.user_side

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray | None:
        """(users, dims) float32 for histories of ones, of a model that has others than X E."""
        return None

    @property
    def index(self) -> ItemIndex:
        """The item vectors for serving."""
        self._require_fitted()
        return self._kept("index", lambda D, E: ItemIndex(D, user_side=E), *self._sides())

    def user_vectors(self, X: sp.csr_array) -> np.ndarray:
        """(users, dims) float32 of the histories X (users, items)."""
        self._require_fitted(X)
        own = self._own_user_vectors(ones(X))
        return self.index.user_vectors(X) if own is None else own

    def similar(self, item_indices: np.ndarray, k: int) -> Recommendations:
        """The k items nearest to each given item by cosine, itself left out.

        Args:
            item_indices: (queries,) item indices.
            k: length of the lists.

        Returns:
            item indices (queries, k) int64, padded with -1, and their cosines (queries, k) float32;
            a vector of zeros is as far from everything.

        Raises:
            ConfigError: if the model is not fitted.
            DataError: if one of `item_indices` is not the index of an item.
        """
        self._require_fitted()
        return self._directions().similar(item_indices, k)

    def _directions(self) -> ItemIndex:
        """The item vectors at length 1."""
        return self._kept("directions", at_length_one, self._sides()[0])

    def _recommend(self, asked: Request) -> Recommendations:
        own = self._own_user_vectors(asked.histories)
        return self.index.recommend(*asked, user_vectors=own)

    def _learnt_of_items(self) -> Any:
        return self._sides()[0]

    def _kept(self, name: str, make: Callable[..., Made], *of: Any) -> Made:
        """What is made of arrays: made when first used, and again where the arrays are others."""
        kept = self.__dict__.setdefault("_made", {})
        if name not in kept or any(a is not b for a, b in zip(kept[name][0], of, strict=True)):
            kept[name] = (of, make(*of))
        made: Made = kept[name][1]
        return made

    def __getstate__(self) -> dict[str, Any]:
        """What copies get: not what can be made again."""
        return {name: value for name, value in vars(self).items() if name != "_made"}


def at_length_one(vectors: np.ndarray) -> ItemIndex:
    """An index of vectors (items, dims) scaled to length 1."""
    return ItemIndex(compared(vectors, np.zeros(vectors.shape[1]), normalize=True))
