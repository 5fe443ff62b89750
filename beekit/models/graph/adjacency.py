"""The graph of users and items as a matrix."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def normalised_adjacency(X: sp.csr_array) -> sp.csr_array:
    """N = D_u^(−1/2) X D_i^(−1/2) (users, items), CSR float64, for CSR X of ones."""
    degrees = np.bincount(X.indices, minlength=X.shape[1])
    lengths = np.repeat(np.diff(X.indptr), np.diff(X.indptr))
    weights = 1 / np.sqrt(lengths * degrees[X.indices].astype(np.float64))
    return sp.csr_array((weights, X.indices, X.indptr), shape=X.shape)
