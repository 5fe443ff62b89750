"""The base class of models that predict ratings by vectors of users and items."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from beekit.matrices import Reads, numbers
from beekit.models.settings import NOT_FITTED
from beekit.models.training_loop import Training
from beekit.models.vectors import VectorRecommender
from beekit.ranking.rated_pairs import require_pairs

# How many numbers are multiplied at once: 32 MB in float64.
_BLOCK_ELEMENTS = 2**22


@dataclass(eq=False)
class RatingModel(VectorRecommender):
    """Predicts ratings by the inner product of a user vector with an item vector.

    X holds ratings: any finite numbers, and a stored zero is a rating of 0. `predict` gives the
    rating expected of a user for an item; `recommend` ranks items by it. Ranks are by the product
    itself; predictions are cut to the range of the training ratings. A subclass learns
    `item_vectors` by `_learn`, and defines the vectors of users.

    Attributes:
        item_vectors: (items, dims) float32 after `fit`.
        rating_range: (2,) float32 after `fit`: the lowest and the highest training rating; zeros if
            there is none.
    """

    reads: ClassVar[Reads] = "values"

    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    rating_range: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> Training[Any] | None:
        ends = (X.data.min(), X.data.max()) if X.nnz else (0, 0)
        self.rating_range = np.array(ends, dtype=np.float32)
        return self._learn(X)

    @abstractmethod
    def _learn(self, X: sp.csr_array) -> Training[Any] | None:
        """`_fit`, of ratings as sorted float64 CSR."""

    @abstractmethod
    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        """User vectors (users, dims) float32 of ratings (users, items), float64 CSR."""

    def _predicted(self, products: np.ndarray) -> np.ndarray:
        """Ratings of inner products (n,) of vectors; a rising function."""
        return products

    def predict(self, X: sp.csr_array, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """The ratings expected of pairs; see `beekit.ranking.protocol.RatingPredictor`.

        Raises:
            ConfigError: if the model is not fitted.
            DataError: if X is not a matrix of finite numbers over the items that the model was
                fitted on, or if `users` and `items` are not as many indices of its rows and items.
        """
        self._require_fitted(X)
        users, items = require_pairs(users, items, X.shape)
        asked, place = np.unique(users, return_inverse=True)
        vectors = self._own_user_vectors(sp.csr_array(numbers(X)[asked]))
        predicted = np.empty(len(users), dtype=np.float32)
        block = max(1, _BLOCK_ELEMENTS // max(1, vectors.shape[1]))
        for begin in range(0, len(users), block):
            part = slice(begin, begin + block)
            sides = vectors[place[part]].astype(np.float64), self.item_vectors[items[part]]
            predicted[part] = self._predicted(np.einsum("nd,nd->n", *sides))
        lowest, highest = self.rating_range
        return np.clip(predicted, lowest, highest)
