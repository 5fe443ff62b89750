"""Where graph models start: at the leading singular vectors of the graph, not at random."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.models.factors.pure_svd import right_singular_vectors
from beekit.models.graph.adjacency import normalised_adjacency

# Singular values below this are of rounding, or of no use as a direction.
_LEAST_VALUE = 1e-3
# No odds start below this.
_LEAST_ODDS = 1e-6


def smooth_start(
    X: sp.csr_array, dims: int, scale: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of users (users, dims) and items (items, dims), float32: the smoothest on the graph.

    They are the leading singular vectors of N = D_u^(−1/2) X D_i^(−1/2) as columns, each with
    entries of a root mean square of `scale`. Columns that the rank of X leaves over are normally
    distributed, with that standard deviation.

    Args:
        X: (users, items) CSR of ones.
        dims: number of columns.
        scale: see above.
        seed: of the search for singular vectors, and of what is random.
    """
    U, _, V = _singular_vectors(X, dims, seed)
    generator = np.random.default_rng(seed)
    users, items = (side * np.sqrt(len(side)) * scale for side in (U, V))
    return _filled(users, items, dims, scale, generator)


def popular_start(
    X: sp.csr_array, odds: np.ndarray, dims: int, gain: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of users (users, dims) and items (items, dims), float32, whose products are logits.

    The first column gives an item the log of its odds with every user. With N ≈ U Σ Vᵀ, the others
    are D_u^(1/2) U Σ^(1/2) and D_i^(1/2) V Σ^(1/2), so that their products reconstruct X, times
    `gain`; the first singular vectors, which hold popularity, are left out. Columns that the rank
    of X leaves over are normally distributed and small.

    Args:
        X: (users, items) CSR of ones.
        odds: (items,) at least 0.
        dims: number of columns.
        gain: see above.
        seed: of the search for singular vectors, and of what is random.
    """
    logits = np.log(np.maximum(odds, _LEAST_ODDS))
    size = np.sqrt(max(np.abs(logits).mean(), 1.0))
    U, values, V = (part[..., 1:] for part in _singular_vectors(X, dims, seed))
    lengths, support = np.diff(X.indptr), np.bincount(X.indices, minlength=X.shape[1])
    users, items = (
        side * np.sqrt(gain * degrees[:, None] * values)
        for side, degrees in ((U, lengths), (V, support))
    )
    users = np.column_stack([np.full(X.shape[0], size), users])
    items = np.column_stack([logits / size, items])
    return _filled(users, items, dims, 0.01, np.random.default_rng(seed))


def _singular_vectors(
    X: sp.csr_array, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """U, Σ and V of N, without values that are nearly 0."""
    N = normalised_adjacency(X)
    values, V = right_singular_vectors(N, count, seed)
    kept = values > _LEAST_VALUE
    values, V = values[kept], V[:, kept]
    return (N @ V) / values, values, V


def _filled(
    users: np.ndarray, items: np.ndarray, dims: int, scale: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The vectors with random columns up to `dims`, as float32."""

    def filled(vectors: np.ndarray) -> np.ndarray:
        left = scale * generator.normal(size=(len(vectors), dims - vectors.shape[1]))
        return np.column_stack([vectors, left]).astype(np.float32)

    return filled(users), filled(items)
