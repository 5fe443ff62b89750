"""Interactions in the form that models read: CSR with each pair of user and item once."""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy.sparse as sp

from beekit.errors import DataError
from beekit.finite import finite_csr

Reads = Literal["items", "order", "values"]
"""What a recommender reads from the numbers of X: nothing, an order, or ratings."""

# How many pairs are looked up at once: 16 MB, so that the processor's cache is used well.
_LOOKED_UP = 2**19


def as_csr(
    X: sp.sparray | sp.spmatrix,
    what: str = "interactions",
    *,
    users: int | None = None,
    items: int | None = None,
) -> sp.csr_array:
    """X (users, items) as CSR with each pair stored once and without stored zeros.

    The caller's matrix is not changed. The arguments and errors are those of `finite_csr`.
    """
    csr = finite_csr(X, what, users=users, items=items)
    if not csr.has_canonical_format:
        csr = csr.copy()
        csr.sum_duplicates()
    if csr.nnz and not csr.data.all():
        csr = csr.copy()
        csr.eliminate_zeros()
    return csr


def ones(
    X: sp.sparray | sp.spmatrix,
    what: str = "interactions",
    *,
    users: int | None = None,
    items: int | None = None,
) -> sp.csr_array:
    """The result of `as_csr` with float32 ones as values."""
    csr = as_csr(X, what, users=users, items=items)
    return sp.csr_array((np.ones(csr.nnz, np.float32), csr.indices, csr.indptr), shape=csr.shape)


def numbers(
    X: sp.sparray | sp.spmatrix,
    what: str = "interactions",
    *,
    users: int | None = None,
    items: int | None = None,
) -> sp.csr_array:
    """X as sorted CSR of float64 numbers, in which a stored zero is a number; a copy.

    The arguments are those of `finite_csr`.

    Raises:
        DataError: if `finite_csr` refuses X, or if a pair is stored twice, since two times or
            ratings have no sum.
    """
    csr = finite_csr(X, what, users=users, items=items).astype(np.float64, copy=True)
    stored = X.nnz if sp.issparse(X) else csr.nnz
    csr.sum_duplicates()
    if csr.nnz != stored:
        raise DataError(
            f"{what} that store {stored - csr.nnz:,} pairs of user and item more than once",
            expected="one number for each pair",
            remedy="Keep one of them.",
        )
    return csr


def rows_with_entries(X: sp.csr_array) -> np.ndarray:
    """Indices of the rows that store an entry, ascending."""
    return np.flatnonzero(np.diff(X.indptr))


def holds(X: sp.csr_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Whether a matrix stores an entry at each pair of row and column; a stored zero counts.

    Memory grows with the number of pairs and of stored entries, not with the size of X.

    Args:
        X: (rows, columns) CSR.
        rows, columns: indices, of shapes that broadcast; the result is False for a column of -1.
    """
    width = np.int64(X.shape[1])
    stored = np.repeat(np.arange(X.shape[0], dtype=np.int64), np.diff(X.indptr)) * width
    stored += X.indices
    if not X.has_sorted_indices:
        stored.sort()
    rows, columns = np.broadcast_arrays(rows, columns)
    found = np.zeros(rows.size, dtype=bool)
    if not len(stored):
        return found.reshape(rows.shape)
    for begin in range(0, rows.size, _LOOKED_UP):
        part = slice(begin, begin + _LOOKED_UP)
        column = columns.flat[part]
        pairs = rows.flat[part] * width + column
        at = np.minimum(np.searchsorted(stored, pairs), len(stored) - 1)
        found[part] = (stored[at] == pairs) & (column >= 0)
    return found.reshape(rows.shape)
