"""Parts of X: matrices of the same shape with some of its entries or columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from beekit.errors import SplitError
from beekit.lazy_names import LazyModule
from beekit.split.draw import shuffled

if TYPE_CHECKING:
    import scipy.sparse as sp
else:
    sp = LazyModule("scipy.sparse")


def entries(matrix: sp.csr_array, keep: np.ndarray) -> sp.csr_array:
    """A matrix with only the entries where `keep` (nnz,) is true."""
    kept_before = np.concatenate([[0], np.cumsum(keep)]).astype(matrix.indptr.dtype)
    return sp.csr_array(
        (matrix.data[keep], matrix.indices[keep], kept_before[matrix.indptr]), shape=matrix.shape
    )


def columns(matrix: sp.csr_array, item_indices: np.ndarray) -> sp.csr_array:
    """A matrix (users, items) with only the entries of these items."""
    return entries(matrix, np.isin(matrix.indices, item_indices))


def used_items(matrix: sp.csr_array) -> np.ndarray:
    """The indices of items with an entry, ascending."""
    return np.flatnonzero(np.bincount(matrix.indices, minlength=matrix.shape[1]))


def source_entries(
    matrix: sp.csr_array,
    item_ids: np.ndarray,
    fraction: float,
    seed: int,
    times: np.ndarray | None = None,
) -> np.ndarray:
    """(nnz,) bool: which entries of a matrix belong to the source, a random share of each row.

    With `times` (nnz,) it is the earliest share; among equal times the draw decides.

    In a row with two entries or more, at least one entry belongs to the source and at least one
    does not; a single entry belongs to the source. The draw depends on ids, not on the order of
    columns.

    Raises:
        SplitError: if `fraction` is not above 0 and below 1, or if `seed` is negative.
    """
    if not 0 < fraction < 1:
        found = f"source_fraction={fraction}"
        remedy = "Choose another share; 0.8 is usual."
        raise SplitError(found, expected="a share above 0 and below 1", remedy=remedy)
    lengths = np.diff(matrix.indptr)
    rows = np.repeat(np.arange(matrix.shape[0]), lengths)
    # The rank of each entry in its row after a shuffle that starts from the order of item ids.
    by_id = np.argsort(np.argsort(item_ids, kind="stable"))
    canonical = np.lexsort((by_id[matrix.indices], rows))
    keys = np.empty(matrix.nnz, dtype=np.int64)
    keys[canonical] = np.argsort(shuffled(matrix.nnz, seed, stream=1))
    order = np.lexsort((keys, rows) if times is None else (keys, times, rows))
    rank = np.empty(matrix.nnz, dtype=np.int64)
    rank[order] = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths)
    known = np.clip(np.round(lengths * fraction), 1, np.maximum(lengths - 1, 1))
    return np.asarray(rank < np.repeat(known, lengths))
