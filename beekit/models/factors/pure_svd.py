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

    With X ≈ U Σ Vᵀ of the largest singular values, missing entries taken for zeros, a history x
    scores x V Vᵀ: users need no vector of their own. Directions beyond the rank of X are
    left out, so that `item_vectors` may have columns of zeros. V is unique but for the sign of its
    columns (here the entry largest in size is positive) and where singular values coincide.

    Args:
        embedding_dim: singular values kept, or as many as X has.
        seed: of the vector the iteration starts from.

    Attributes:
        item_vectors: V (items, min(embedding_dim, users, items)) float32 after `fit`.
    """

    embedding_dim: Count = 64
    seed: int = 0
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> None:
        binary = X.astype(np.float64)
        values, vectors = right_singular_vectors(binary, self.embedding_dim, self.seed)
        # svds finds the squares of singular values to within rounding of the largest.
        precision = np.finfo(np.float64).eps * max(binary.shape)
        vectors = vectors * (values**2 > precision * (values**2).max(initial=0))
        self.item_vectors = with_signs(vectors).astype(np.float32)


def right_singular_vectors(X: sp.csr_array, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest singular values, min(count, users, items), descending; vectors (items, count)."""
    smaller = min(X.shape)
    if not X.nnz:
        width = min(count, smaller)
        return np.zeros(width), np.zeros((X.shape[1], width))
    if count >= smaller:
        # The iteration finds fewer than all; one side of X is then as short as the vectors are few.
        _, values, rows = np.linalg.svd(X.toarray(), full_matrices=False)
        return values, rows.T
    start = np.random.default_rng(seed).normal(size=smaller)
    _, values, rows = svds(X, k=count, v0=start, return_singular_vectors="vh")
    order = np.argsort(-values, kind="stable")
    return values[order], rows[order].T


def with_signs(vectors: np.ndarray) -> np.ndarray:
    """Columns turned so that their entry largest in size, the first of equals, is positive."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], 0)
    return vectors * np.where(largest < 0, -1, 1)
