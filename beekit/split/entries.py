"""Parts of X: some of its entries or columns, in its own shape."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.data import Interactions


def entries(interactions: Interactions, keep: np.ndarray) -> sp.csr_array:
    """X (users, items) with only the entries where `keep` (bool, nnz) holds."""
    matrix = interactions.matrix
    kept_before = np.concatenate([[0], np.cumsum(keep)]).astype(matrix.indptr.dtype)
    return sp.csr_array(
        (matrix.data[keep], matrix.indices[keep], kept_before[matrix.indptr]), shape=matrix.shape
    )


def columns(interactions: Interactions, item_indices: np.ndarray) -> sp.csr_array:
    """X (users, items) with only the entries of the given items."""
    wanted = np.zeros(interactions.n_items, dtype=bool)
    wanted[item_indices] = True
    return entries(interactions, wanted[interactions.matrix.indices])


def used_items(matrix: sp.csr_array) -> np.ndarray:
    """Item indices with an entry, ascending."""
    return np.flatnonzero(np.bincount(matrix.indices, minlength=matrix.shape[1]))
