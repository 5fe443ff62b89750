"""Where UltraGCN starts: the odds of each item, and the leading singular vectors of the graph."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.models.factors.pure_svd import right_singular_vectors
from beekit.models.graph.adjacency import normalised_adjacency

# The logits of a pair start with this many times the reconstructed interaction.
_GAIN = 4.0
# No odds start below this.
_LEAST_ODDS = 1e-6


def spectral_start(
    X: sp.csr_array, odds: np.ndarray, dims: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of users (users, dims) and items (items, dims), float32.

    The first dimension makes the logit of each item, for all users alike, the log of its odds. The
    others make a reconstruction of X, times 4: with N = D_u^(−1/2) X D_i^(−1/2) ≈ U Σ Vᵀ, users
    have 2 D_u^(1/2) U Σ^(1/2) and items 2 D_i^(1/2) V Σ^(1/2), without the first singular vectors,
    which hold popularity.

    Args:
        X: (users, items) CSR of ones.
        odds: (items,) at least 0.
        dims: dimensions; those that the rank of X leaves over are zero.
        seed: of the vector that the search for singular vectors starts from.
    """
    logits = np.log(np.maximum(odds, _LEAST_ODDS))
    size = np.sqrt(max(np.abs(logits).mean(), 1e-3))
    users, items = (np.zeros((rows, dims)) for rows in X.shape)
    users[:, 0], items[:, 0] = size, logits / size
    N = normalised_adjacency(X)
    values, vectors = right_singular_vectors(N, dims, seed)
    values, vectors = values[1:], vectors[:, 1:]
    kept = values > 1e-3
    values, vectors = values[kept], vectors[:, kept]
    part = slice(1, 1 + len(values))
    lengths, support = np.diff(X.indptr), np.bincount(X.indices, minlength=X.shape[1])
    gain = np.sqrt(_GAIN)
    users[:, part] = gain * np.sqrt(lengths)[:, None] * (N @ vectors) / np.sqrt(values)
    items[:, part] = gain * np.sqrt(support)[:, None] * vectors * np.sqrt(values)
    return users.astype(np.float32), items.astype(np.float32)
