"""Dense Gram matrices XᵀX: how many users every two items have in common."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from beekit.errors import DataError

# The size of a Gram matrix: 46,340 items if no item has more than 65,535 users, else 32,768.
GRAM_BYTES = 2**32
# How many counts are made dense at once: 32 MB in float32.
_BLOCK_ELEMENTS = 2**23


def require_memory(what: str, items: int, need: int, free: int, remedy: str) -> None:
    """Check that there is enough memory before a long computation.

    Raises:
        DataError: if `need` bytes are more than the `free` ones.
    """
    if need > free:
        raise DataError(
            f"{what} of {items:,} items needs {need / 1e9:.1f} GB; {free / 1e9:.1f} GB are free",
            expected="memory for two dense matrices of items × items",
            remedy=remedy,
        )


def gram_parts(
    X: sp.csr_array, sets: sp.csr_array, most_bytes: int = GRAM_BYTES
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """XᵀX for the items of consecutive sets, with as many sets at a time as fit into `most_bytes`.

    Usually that is all sets; a large catalog comes in several parts. A single set is computed even
    if it does not fit.

    Args:
        X: (users, items) CSR of ones.
        sets: (sets, items) CSR pattern.
        most_bytes: size of the counts of a part.

    Yields:
        the rows of `sets` as a slice, their items (n,) ascending, and the counts (n, n), exact, in
        the smallest unsigned type that can hold them.
    """
    kind = np.min_scalar_type(int(np.bincount(X.indices, minlength=1).max()))
    most = int(np.sqrt(most_bytes / kind.itemsize))
    begin = 0
    while begin < sets.shape[0]:
        end = _end(sets, begin, most)
        items = np.unique(sets.indices[sets.indptr[begin] : sets.indptr[end]])
        yield slice(begin, end), items, _counts(X, items, kind)
        begin = end


def _end(sets: sp.csr_array, begin: int, most: int) -> int:
    """The end of the range of sets that starts at `begin` and has at most `most` items together."""
    if sets.shape[1] <= most:
        return int(sets.shape[0])
    # An item counts for the first set that has it.
    later = sets.indices[sets.indptr[begin] :]
    first = np.sort(np.unique(later, return_index=True)[1])
    if len(first) <= most:
        return int(sets.shape[0])
    reached = sets.indptr[begin] + first[most]
    return max(begin + 1, int(np.searchsorted(sets.indptr, reached, side="right")) - 1)


def _counts(X: sp.csr_array, items: np.ndarray, kind: np.dtype) -> np.ndarray:
    chosen = X if len(items) == X.shape[1] else sp.csr_array(X[:, items])
    by_item = sp.csr_array(chosen.T)
    counts = np.empty((len(items), len(items)), dtype=kind)
    step = max(1, _BLOCK_ELEMENTS // max(1, len(items)))
    for begin in range(0, len(items), step):
        counts[begin : begin + step] = (by_item[begin : begin + step] @ chosen).toarray()
    return counts
