"""PureSVD: the truncated singular value decomposition of the interactions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from beekit.models.settings import NOT_FITTED, Count
from beekit.models.vectors import VectorRecommender


@dataclass(eq=False)
class PureSVD(VectorRecommender):
    """PureSVD (Cremonesi, Koren & Turrin, RecSys 2010).

    With X ≈ U Σ Vᵀ of the largest singular values, where missing entries are zeros, the scores of a
    history x are x V Vᵀ, so users need no vectors of their own. Directions beyond the rank of X are
    left out, so `item_vectors` may have columns of zeros. V is unique except for the signs of its
    columns (here the entry with the largest absolute value is positive) and for equal singular
    values.

    Args:
        embedding_dim: number of singular values to keep; all if X has fewer.
        seed: seed of the initial vector of the iteration.

    Attributes:
        item_vectors: V (items, min(embedding_dim, users, items)) float32 after `fit`.
    """

    embedding_dim: Count = 64
    seed: int = 0
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> None:
        binary = X.astype(np.float64)
        values, vectors = right_singular_vectors(binary, self.embedding_dim, self.seed)
        # svds computes squared singular values, with the rounding error of the largest one.
        precision = np.finfo(np.float64).eps * max(binary.shape)
        vectors = vectors * (values**2 > precision * (values**2).max(initial=0))
        self.item_vectors = with_signs(vectors).astype(np.float32)


def right_singular_vectors(X: sp.csr_array, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The min(count, users, items) largest singular values, descending, and their right singular
    vectors as columns."""
    smaller = min(X.shape)
    if not X.nnz:
        width = min(count, smaller)
        return np.zeros(width), np.zeros((X.shape[1], width))
    if count >= smaller:
        # The iteration cannot find all singular values. X then has a side of at most `count`, so
        # the dense decomposition is cheap.
        _, values, rows = np.linalg.svd(X.toarray(), full_matrices=False)
        return values, rows.T
    start = np.random.default_rng(seed).normal(size=smaller)
    _, values, rows = svds(X, k=count, v0=start, return_singular_vectors="vh")
    order = np.argsort(-values, kind="stable")
    return values[order], rows[order].T


def with_signs(vectors: np.ndarray) -> np.ndarray:
    """Columns with signs such that the first entry with the largest absolute value is positive."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], 0)
    return vectors * np.where(largest < 0, -1, 1)
