"""The most similar items of each item, from XᵀX in blocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from beekit.models.linear.blocks import row_blocks
from beekit.models.linear.top_entries import strongest

Similarity = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""A function from c_ij = Σ_u x_ui x_uj, n_i = c_ii and n_j = c_jj to similarities, all (pairs,)
float64."""


def nearest(X: sp.csr_array, n: int, similarity: Similarity) -> sp.csr_array:
    """The n items i most similar to each item j, among items that have users in common with j.

    Args:
        X: (users, items) nonnegative weights.
        n: number of items to keep; a hash chooses among ties at the cut.
        similarity: called with c_ij, n_i of the neighbour and n_j of the item itself.

    Returns:
        CSR float32 (items j, items i) of the similarities above zero, without the diagonal.
    """
    by_item = sp.csr_array(X.T, dtype=np.float64)
    X = X.astype(np.float64)
    sizes = np.asarray(X.power(2).sum(axis=0)).ravel()
    blocks = []
    for begin, end in row_blocks(by_item, X):
        pairs = by_item[begin:end] @ X
        owners = np.repeat(np.arange(begin, end), np.diff(pairs.indptr))
        pairs.data = similarity(pairs.data, sizes[pairs.indices], sizes[owners])
        pairs.data[owners == pairs.indices] = 0
        blocks.append(strongest(pairs, n, begin))
    return sp.csr_array(sp.vstack(blocks, format="csr"))


def cosine(common: np.ndarray, neighbour: np.ndarray, itself: np.ndarray) -> np.ndarray:
    """c_ij / √(n_i n_j)."""
    return np.asarray(common / np.sqrt(neighbour * itself))
