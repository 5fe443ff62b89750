"""The base class of models that rank items by vectors; it keeps the index of the item vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from beekit.index import ItemIndex
from beekit.models.base import BaseRecommender, Request, read_as
from beekit.models.content_vectors import compared
from beekit.ranking import Recommendations


class VectorRecommender(BaseRecommender):
    """Ranks items by the inner product of user vectors with item vectors.

    A subclass learns `item_vectors`. A user vector is the sum over the history of the rows of
    `user_side`, or of `item_vectors` if that is None; a subclass may define other user vectors by
    `_own_user_vectors`.

    Attributes:
        item_vectors: D (items, dims) float32, set by `fit`.
        user_side: E (items, dims) float32; a history x has the user vector x E. None if E is D.
    """

    item_vectors: np.ndarray
    user_side: np.ndarray | None = None

    def _sides(self) -> tuple[np.ndarray, np.ndarray | None]:
        """D, and E or None if E is D."""
        return self.item_vectors, self.user_side

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray | None:
        """User vectors (users, dims) float32 of histories as the model reads them; None if they
        are X E."""
        return None

    @property
    def index(self) -> ItemIndex:
        """The index of the item vectors."""
        self._require_fitted()
        return self._kept("index", lambda D, E: ItemIndex(D, user_side=E), *self._sides())

    def user_vectors(self, X: sp.csr_array) -> np.ndarray:
        """The user vectors (users, dims) float32 of histories X (users, items)."""
        self._require_fitted(X)
        own = self._own_user_vectors(read_as(self.reads, X))
        return self.index.user_vectors(X) if own is None else own

    def similar(self, item_indices: np.ndarray, k: int) -> Recommendations:
        """The k items nearest to each given item by cosine of their vectors, without the item.

        Args:
            item_indices: (queries,) item indices.
            k: length of the lists.

        Returns:
            item indices (queries, k) int64, padded with -1, and their cosines (queries, k) float32.
            A vector of zeros has cosine 0 with every other.

        Raises:
            ConfigError: if the model is not fitted.
            DataError: if one of `item_indices` is not the index of an item.
        """
        self._require_fitted()
        return self._directions().similar(item_indices, k)

    def _directions(self) -> ItemIndex:
        """The index of the item vectors scaled to length 1."""
        return self._kept("directions", at_length_one, self._sides()[0])

    def _recommend(self, asked: Request) -> Recommendations:
        histories = asked.histories
        own = self._own_user_vectors(histories)
        if self.reads != "items":  # of which one may be zero
            seen = np.ones(histories.nnz, np.float32), histories.indices, histories.indptr
            asked = asked._replace(histories=sp.csr_array(seen, shape=histories.shape))
        return self.index.recommend(*asked, user_vectors=own)

    def _learnt_of_items(self) -> Any:
        return self._sides()[0]


def at_length_one(vectors: np.ndarray) -> ItemIndex:
    """An index of vectors (items, dims) scaled to length 1."""
    return ItemIndex(compared(vectors, np.zeros(vectors.shape[1]), normalize=True))
