"""Ranking items by vectors: for users whose vectors a model computes, and for items alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from beekit.index import ItemIndex
from beekit.models.checks import require_fitted
from beekit.models.content_vectors import compared
from beekit.ranking import Recommendations


def recommend_by_vectors(
    item_vectors: np.ndarray,
    user_vectors: np.ndarray,
    X: sp.csr_array,
    k: int,
    candidates: np.ndarray | None = None,
    exclude_seen: bool = True,
) -> Recommendations:
    """`recommend` for users given by vectors: the k items of largest inner product.

    Args:
        item_vectors: (items, dims) float32.
        user_vectors: (users, dims) float32.
        X, k, candidates, exclude_seen: as `Recommender.recommend` has them.
    """
    index = ItemIndex(item_vectors)
    return index.recommend(X, k, candidates, exclude_seen, user_vectors=user_vectors)


def fitted(
    model: Any, vectors: np.ndarray | None, X: sp.sparray | sp.spmatrix | None = None
) -> np.ndarray:
    """A model's item vectors, once it is known to have them and, given histories, to fit those.

    Raises:
        ConfigError: if the model is not fitted.
        DataError: if X is not a matrix of numbers, or if it has another number of items than the
            model.
    """
    items = None if vectors is None else len(vectors)
    require_fitted(model, items, sp.csr_array((0, items or 0)) if X is None else X)
    assert vectors is not None  # for the type checker
    return vectors


def similar_items(item_vectors: np.ndarray, item_indices: np.ndarray, k: int) -> Recommendations:
    """The k items nearest to each given item by cosine, itself left out.

    Args:
        item_vectors: (items, dims) float32; a vector of zeros is as far from everything.
        item_indices: (queries,) item indices.
        k: length of the lists.

    Returns:
        item indices (queries, k) int64, padded with -1, and their cosines (queries, k) float32.

    Raises:
        DataError: if one of `item_indices` is not the index of an item.
    """
    directions = compared(item_vectors, np.zeros(item_vectors.shape[1]), normalize=True)
    return ItemIndex(directions).similar(item_indices, k)
